"""Options of `docker run` that no setting can give, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["UNSUPPORTED"]

_CLIENT = "it is for the terminal of `docker run` alone and no part of a container; leave it out"
_WINDOWS = "engines on Linux refuse it or do nothing with it: it is for Windows containers; use {}"
_NAME = "its name is run/{}"

UNSUPPORTED: Mapping[str, str] = {
    "env": "variables are settings of their own: use a key without run/ for each",
    "env-file": "variables are settings of their own: `confctl import` takes such a file",
    "label-file": "use run/label, an object",
    "name": "a container's name stays as it is",
    "rm": "a container that is removed when it stops could not be put back",
    "pull": "no image is ever pulled; pull it on the host, and name it with run/image",
    "platform": "an image of another platform has a name or an id of its own; name it with run/image",
    "disable-content-trust": "nothing is pulled, so no signature is looked at; pull the image with it",
    "cidfile": "the id is in `confctl status`; it changes with each new container",
    **dict.fromkeys(("attach", "detach", "detach-keys", "sig-proxy", "quiet"), _CLIENT),
    "cpu-count": _WINDOWS.format("run/cpus"),
    "cpu-percent": _WINDOWS.format("run/cpus"),
    "io-maxbandwidth": _WINDOWS.format("run/device-read-bps and run/device-write-bps"),
    "io-maxiops": _WINDOWS.format("run/device-read-iops and run/device-write-iops"),
    "isolation": _WINDOWS.format("run/runtime"),
    "net": _NAME.format("network"),
    "net-alias": _NAME.format("network-alias"),
    "dns-opt": _NAME.format("dns-option"),
}
