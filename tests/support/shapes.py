"""Containers in all shapes that `docker run` gives, and what of an inspect a recreate may change."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Mapping
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from tests.support.engine import IMAGE, EngineProcess

__all__ = ["BODIES", "COMPOSE", "LEADERS", "SHAPES", "WAITS", "differences", "make_surroundings"]

WAITS = "trap 'exit 0' TERM; sleep 1000000 & wait"
SERVE = f'{IMAGE} sh -c "{WAITS}"'
RICH = "confd-test:rich"

RICHES = (
    *("VOLUME /declared", "EXPOSE 8080/tcp 53/udp", "ENV FROM=image MORE=1", "LABEL given=image", "USER 1000"),
    *("WORKDIR /bin", "STOPSIGNAL SIGTERM", 'ENTRYPOINT ["sh"]', f"CMD {json.dumps(['-c', WAITS])}"),
    "HEALTHCHECK --interval=1s CMD true",
)
"""What an image can give to its containers."""

LEADERS: Mapping[str, str] = {
    "leader": f"--ipc shareable -v leader-data:/lead -v /anonymous {SERVE}",
    "linked": f"--network front {SERVE}",
    "linked-old": f"--expose 80 {SERVE}",
}
"""Those that others name."""

SHAPES: Mapping[str, str] = {
    # networks
    "plain": SERVE,
    "two-networks": f"--network front --network-alias web {SERVE} + back --alias api --ip 172.30.2.9",
    "three-networks": f"--network front {SERVE} + back --alias one --alias two + third --ip 172.30.3.7",
    "static-address": f"--network back --ip 172.30.2.20 {SERVE}",
    "bridge-and-net": f"{SERVE} + front --alias beside",
    "host-network": f"--network host {SERVE}",
    "no-network": f"--network none {SERVE}",
    "network-by-id": f"--network @front --network-alias idle {SERVE}",
    "container-network": f"--network container:leader {SERVE}",
    "container-ipc": f"--ipc container:leader {SERVE}",
    "container-pid": f"--pid container:leader {SERVE}",
    "all-of-another": f"--network container:leader --ipc container:leader --pid container:leader {SERVE}",
    "link-on-net": f"--network front --link linked:db {SERVE}",
    "legacy-link": f"--link linked-old:db {SERVE}",
    "legacy-links": f"--link linked-old:db --link linked-old:cache {SERVE}",
    "dns": f"--dns 9.9.9.9 --dns 1.1.1.1 --dns-search example.org --dns-option ndots:2 {SERVE}",
    "add-host": f"--add-host db:10.0.0.1 --add-host cache:10.0.0.2 {SERVE}",
    "hostname": f"--hostname box --domainname example.org {SERVE}",
    # ports
    "expose": f"--expose 80 --expose 81/udp --expose 90-92 {SERVE}",
    "publish-random": f"-p 80 -p 81/udp {SERVE}",
    "publish-fixed": f"-p 18080:80 {SERVE}",
    "publish-udp-ip": f"-p 127.0.0.1:18081:80/udp -p 127.0.0.1::82 {SERVE}",
    "publish-range": f"-p 18090-18099:80 {SERVE}",
    "publish-two": f"-p 18082:80 -p 18083:80 {SERVE}",
    "publish-all": f"-P --expose 80 {SERVE}",
    # file systems
    "anonymous": f"-v /data {SERVE}",
    "named": f"-v named:/data -v named-ro:/ro:ro {SERVE}",
    "bind": f"-v /tmp:/host:ro -v /var/tmp:/more:rprivate {SERVE}",
    "mount": (
        "--mount type=volume,source=opts,target=/v,volume-nocopy,volume-label=a=b "
        f"--mount type=bind,source=/usr,target=/b,readonly,bind-propagation=rprivate {SERVE}"
    ),
    "mount-anonymous": f"--mount type=volume,target=/v {SERVE}",
    "mount-tmpfs": f"--mount type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770 {SERVE}",
    "tmpfs": f"--tmpfs /run:size=4m,mode=755 --tmpfs /scratch {SERVE}",
    "volumes-from": f"--volumes-from leader {SERVE}",
    "volumes-from-ro": f"--volumes-from leader:ro -v /own {SERVE}",
    "read-only": f"--read-only --tmpfs /tmp {SERVE}",
    "shm": f"--shm-size 32m {SERVE}",
    "all-volumes": f"-v /anon -v named:/named -v /tmp:/bound --tmpfs /t --mount type=volume,target=/mv {SERVE}",
    # health
    "health-shell": f"--health-cmd true --health-interval 2s --health-retries 4 --health-timeout 3s {SERVE}",
    "health-start": f"--health-cmd true --health-interval 1s --health-start-period 9s {SERVE}",
    "health-none": f"--no-healthcheck {RICH}",
    # the program
    "entrypoint": f'--entrypoint sh {IMAGE} -c "{WAITS}"',
    "entrypoint-empty": f'--entrypoint= {RICH} sh -c "{WAITS}"',
    "image-defaults": RICH,
    "image-own-command": f'{RICH} -c "{WAITS}"',
    "image-entrypoint": f'--entrypoint sh {RICH} -c "{WAITS}"',
    "image-user-env": f"--user 0:0 --env FROM=mine --env NEW=1 --workdir / --label given=other {RICH}",
    "image-volume-bound": f"-v /tmp:/declared {RICH}",
    "env": f'--env EMPTY= --env EQUALS=a=b=c --env "LINES=one\ntwo" --env "SPACE=a b" --env "UNI=\u00fc" {SERVE}',
    "env-taken": f"--env FROM {RICH}",
    "labels": f'--label a=b --label empty= --label "spaced=x y" --label com.example/x=1 {SERVE}',
    "user": f"--user 1000:1000 --group-add 10 --group-add 20 {SERVE}",
    "workdir": f"--workdir /bin {SERVE}",
    "init": f"--init {SERVE}",
    "stop": f"--stop-signal SIGTERM --stop-timeout 7 {SERVE}",
    "tty": f"-t {SERVE}",
    "interactive": f"-i {SERVE}",
    "tty-interactive": f"-t -i {SERVE}",
    # what bounds it
    "limits": f"--memory 64m --memory-reservation 32m --cpus 0.5 --pids-limit 50 {SERVE}",
    "shares": f"--cpu-shares 512 --cpuset-cpus 0 --cpuset-mems 0 {SERVE}",
    "quota": f"--cpu-period 50000 --cpu-quota 20000 {SERVE}",
    "swap": f"--memory 64m --memory-swap 64m {SERVE}",
    "swap-free": f"--memory 64m --memory-swap -1 {SERVE}",
    "oom": f"--oom-score-adj 100 --memory 64m --oom-kill-disable {SERVE}",
    "ulimits": f"--ulimit nofile=100:200 --ulimit core=0 {SERVE}",
    "sysctl": f"--sysctl net.core.somaxconn=200 --sysctl net.ipv4.ip_forward=1 {SERVE}",
    "restart-always": f"--restart always {SERVE}",
    "restart-failure": f"--restart on-failure:3 {SERVE}",
    "restart-unless": f"--restart unless-stopped {SERVE}",
    # what it may
    "caps": f"--cap-add NET_ADMIN --cap-add SYS_TIME --cap-drop MKNOD --cap-drop CHOWN {SERVE}",
    "caps-all": f"--cap-drop ALL --cap-add CAP_CHOWN {SERVE}",
    "privileged": f"~create --privileged {SERVE}",
    "security": f"--security-opt no-new-privileges --security-opt seccomp=unconfined {SERVE}",
    "security-paths": f"--security-opt systempaths=unconfined {SERVE}",
    "device": f"--device /dev/null:/dev/nothing:rw --device /dev/zero {SERVE}",
    "device-rule": f'--device-cgroup-rule "c 1:3 mr" {SERVE}',
    "log": f"--log-driver json-file --log-opt max-size=1m --log-opt max-file=2 --log-opt labels=a {SERVE}",
    "log-none": f"--log-driver none {SERVE}",
    "log-local": f"--log-driver local --log-opt max-size=2m {SERVE}",
    "runtime": f"--runtime runc {SERVE}",
    "pid-host": f"--pid host {SERVE}",
    "ipc-host": f"--ipc host {SERVE}",
    "ipc-shareable": f"--ipc shareable {SERVE}",
    "ipc-none": f"--ipc none {SERVE}",
    "uts-host": f"--uts host {SERVE}",
    "userns-host": f"--userns host {SERVE}",
    "cgroupns": f"--cgroupns private {SERVE}",
    "cgroup-parent": f"--cgroup-parent /confd-test {SERVE}",
    "host-all": f"~create --network host --pid host --ipc host --uts host --privileged {SERVE}",
    # lives
    "rm": f"--rm -v /data {SERVE}",
    "rm-net": f"--rm --network back --ip 172.30.2.30 --env A=1 {SERVE}",
    "created": f"~create {SERVE}",
    "created-rich": f"~create -v /x -p 80 --network front {RICH}",
    "exited": f"{IMAGE} true",
    "exited-code": f'--restart on-failure:1 {IMAGE} sh -c "exit 3"',
    # images
    "image-by-id": f'@image sh -c "{WAITS}"',
    "image-moved": f'confd-test:moved sh -c "{WAITS}"',
    "image-untagged": f'confd-test:untagged sh -c "{WAITS}"',
}
"""Arguments of `docker run -d --name NAME`; what follows a `+` is a `docker network connect`."""

BODIES: Mapping[str, Mapping[str, Any]] = {
    "user-mac": {"MacAddress": "02:42:ac:1e:01:63"},
    "user-mac-net": {"MacAddress": "02:42:ac:1e:01:64", "HostConfig": {"NetworkMode": "front"}},
    "env-bare": {"Env": ["BARE", "FULL=1"]},
    "health-command": {"Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 2}},
    "attached": {"AttachStdout": True, "AttachStderr": True, "OpenStdin": True, "StdinOnce": True},
    "blkio": {"HostConfig": {"BlkioWeight": 0, "MemorySwappiness": 10, "KernelMemory": 0}},
    "log-empty": {"HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}}}},
    "tmpfs-mode": {"HostConfig": {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Mode": 0o700}}]}},
    "policy-no": {"HostConfig": {"RestartPolicy": {"Name": "no"}}},
    "host-ip-0": {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "0"}]}}},
    "volume-driver": {"HostConfig": {"Binds": ["driven:/v:rw,nocopy"], "VolumeDriver": "local"}},
    "masked": {"HostConfig": {"MaskedPaths": ["/proc/kcore"], "ReadonlyPaths": []}},
    "annotated": {"Labels": {"com.example": '{"json": [1, 2]}'}, "HostConfig": {"ConsoleSize": [40, 120]}},
}
"""What only the engine's API can say, or the command line of another release: members of the create call."""

COMPOSE = f"""
version: "3.7"
services:
  web:
    image: {IMAGE}
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
    environment: {{LEVEL: info}}
    ports: ["8088:80"]
    volumes: ["data:/data", "/anonymous"]
    networks: {{default: {{}}, other: {{aliases: [shop]}}}}
    healthcheck: {{test: ["CMD", "true"], interval: 1s}}
    depends_on: [db]
    restart: always
  db:
    image: {IMAGE}
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
  side:
    image: {IMAGE}
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"]
    network_mode: "service:db"
volumes: {{data: {{}}}}
networks: {{other: {{}}}}
"""


def make_surroundings(engine: EngineProcess) -> None:
    """The images and networks that the shapes name."""
    dockerfile = "\n".join(("FROM " + IMAGE, *RICHES)).encode()
    list(engine.client.build(fileobj=io.BytesIO(dockerfile), tag=RICH, rm=True, decode=True))
    for tag in ("moved", "untagged"):
        engine.make_image(tag, f"LABEL tag={tag}")
    for third, name in enumerate(("front", "back", "third"), 1):
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet=f"172.30.{third}.0/24")])
        engine.client.create_network(name, ipam=pool)


_ABOUT = ("Id", "Created", "State", "ExecIDs", "RestartCount", "GraphDriver", "LogPath", "ResolvConfPath")
_FOUND = ("SandboxID", "SandboxKey", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "MacAddress")
_FOUND6 = ("IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What of two inspects differs, beside that which a recreate without a change may change. One line each."""
    given = [_plain(one) for one in (before, after)]
    names = {one["Name"] for one in before["Mounts"] if one["Type"] == "volume"}
    for one, now in zip(given[0]["Mounts"], given[1]["Mounts"], strict=False):
        if one["Mode"] == "" and one.get("Name") == now.get("Name"):
            now["Mode"] = ""  # an anonymous volume is shown with the mode of a named one
    listed = [
        one
        for one in given[1]["HostConfig"].get("Mounts") or ()
        if one in (given[0]["HostConfig"].get("Mounts") or ()) or one.get("Source") not in names
    ]
    for mount in given[0]["HostConfig"].get("Mounts") or ():
        if mount["Type"] == "volume" and not mount.get("Source"):  # it has its name now
            listed.insert(given[0]["HostConfig"]["Mounts"].index(mount), mount)
    given[1]["HostConfig"]["Mounts"] = listed
    if not given[0]["HostConfig"].get("Mounts") and not listed:
        for one in given:
            one["HostConfig"].pop("Mounts", None)
    if after["Config"]["Image"] == after["Image"] == before["Image"]:
        given[1]["Config"]["Image"] = given[0]["Config"]["Image"]
    return list(_compare("", given[0], given[1]))


def _plain(inspect: Mapping[str, Any]) -> dict[str, Any]:
    """Without what may differ."""
    plain = copy.deepcopy(dict(inspect))
    short, config = inspect["Id"][:12], plain["Config"]
    for name in (*_ABOUT, "HostnamePath", "HostsPath"):
        plain.pop(name, None)
    if config["Hostname"] == short:
        config["Hostname"] = "generated"
    config["Labels"] = {name: text for name, text in config["Labels"].items() if not name.startswith("confd.")}
    _plain_networks(plain, inspect)
    plain["Mounts"] = sorted(plain["Mounts"], key=lambda one: str(one["Destination"]))
    if plain["HostConfig"].get("Links"):
        plain["HostConfig"]["Links"].sort()  # an engine tells them in no order
    return plain


def _plain_networks(plain: dict[str, Any], inspect: Mapping[str, Any]) -> None:
    """Without what the engine found for it."""
    settings, asked = plain["NetworkSettings"], plain["HostConfig"].get("PortBindings") or {}
    for port, bound in (settings["Ports"] or {}).items():
        for one in bound or ():
            if not any(_fixed(given) == one["HostPort"] for given in asked.get(port) or ()):
                one["HostPort"] = "found"
    for place in (settings, *settings["Networks"].values()):
        for name in _found(place, plain["Config"]):
            place.pop(name, None)
        if not inspect["State"]["Running"]:
            place.pop("NetworkID", None)  # known from the first start on
        if "Aliases" in place:
            place["Aliases"] = [alias for alias in place["Aliases"] or () if alias != inspect["Id"][:12]]


def _found(place: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    """What was not asked for."""
    found = {*_FOUND, *_FOUND6}
    if (place.get("IPAMConfig") or {}).get("IPv4Address"):
        found.remove("IPAddress")
    if config.get("MacAddress"):
        found.remove("MacAddress")
    return found


def _fixed(binding: Mapping[str, str]) -> str:
    return str(binding.get("HostPort") or "")


def _compare(path: str, before: Any, after: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for name in sorted(before.keys() | after.keys()):
            found += _compare(f"{path}.{name}", before.get(name), after.get(name))
        return found
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]
