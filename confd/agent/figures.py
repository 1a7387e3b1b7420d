"""The figures of an agent: what each is called and means."""

from __future__ import annotations

from confd.following import FOLLOWING
from confd.metrics import Kind, Metric

__all__ = ["AGENT_METRICS", "CONTAINER_USE"]

_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM
_CONTAINER = ("app", "env", "container")
_APP = ("app", "env")
_WAITS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

# --- containers -----------------------------------------------------------------------------------------

CONTAINER_USE = {
    "cpu_s": Metric("confd_container_cpu_seconds_total", _COUNTER, "processor time used", _CONTAINER),
    "memory_bytes": Metric(
        "confd_container_memory_bytes", _GAUGE, "memory in use, without page cache that nobody uses", _CONTAINER
    ),
    "memory_limit_bytes": Metric(
        "confd_container_memory_limit_bytes", _GAUGE, "the memory limit in force, where there is one", _CONTAINER
    ),
    "oom_kills": Metric(
        "confd_container_oom_kills_total", _COUNTER, "processes killed since memory ran out", _CONTAINER
    ),
    "read_bytes": Metric("confd_container_io_read_bytes_total", _COUNTER, "read from block devices", _CONTAINER),
    "written_bytes": Metric(
        "confd_container_io_written_bytes_total", _COUNTER, "written to block devices", _CONTAINER
    ),
    "pids": Metric("confd_container_pids", _GAUGE, "processes and threads", _CONTAINER),
    "received_bytes": Metric(
        "confd_container_network_receive_bytes_total", _COUNTER, "received, but for the loopback", _CONTAINER
    ),
    "sent_bytes": Metric(
        "confd_container_network_transmit_bytes_total", _COUNTER, "sent, but for the loopback", _CONTAINER
    ),
    "open_files": Metric(
        "confd_container_open_files", _GAUGE, "open file descriptors of all its processes", _CONTAINER
    ),
}
"""By the members of `confd.cgroup.Usage`."""

CONTAINER_RUNNING = Metric("confd_container_running", _GAUGE, "1 while it runs", _CONTAINER)
CONTAINER_RESTARTS = Metric(
    "confd_container_restarts_total", _COUNTER, "how often the engine started it again by itself", _CONTAINER
)
SCRAPE_LATE = Metric(
    "confd_scrape_late_containers",
    _GAUGE,
    "running containers that this scrape had no time for, and shows as they were before",
)

# --- apps -----------------------------------------------------------------------------------------------

APP_CONTAINERS = Metric("confd_app_containers", _GAUGE, "containers by state, as status has it", (*_APP, "state"))
APP_BLOCKED = Metric(
    "confd_app_blocked_containers", _GAUGE, "containers of which a step is blocked, by cause", (*_APP, "cause")
)
APP_PUBLISHED = Metric(
    "confd_app_changes_published_total", _COUNTER, "changes of all layers that reach the app here", _APP
)
APP_PUBLISHED_REVISION = Metric(
    "confd_app_published_revision", _GAUGE, "store revision of the newest of these changes", _APP
)
APP_IN_EFFECT = Metric(
    "confd_app_in_effect_revision",
    _GAUGE,
    "store revision up to which every container of the app has all that it is due",
    _APP,
)
APP_ACTIONS = Metric("confd_app_actions_total", _COUNTER, "actions by how they ended", (*_APP, "action", "result"))
APP_EFFECT = Metric(
    "confd_app_effect_seconds",
    _HISTOGRAM,
    "from the writing of a change, by its writer's clock, until an action brought it into a container",
    _APP,
    _WAITS_S,
)
APP_ERRORS = Metric(
    "confd_app_errors_total", _COUNTER, "passes that ended with an error and are tried again", (*_APP, "code")
)
APP_WAITING = Metric(
    "confd_app_queue_seconds", _GAUGE, "for how long the app has waited to be looked at again", _APP
)
APP_RETRIES = Metric("confd_app_retries", _GAUGE, "how often in a row a pass over the app has failed", _APP)

# --- the agent ------------------------------------------------------------------------------------------

ACTIVE = Metric("confd_agent_active", _GAUGE, "1 while this agent has the claim on its host")
QUEUE_DEPTH = Metric("confd_queue_depth", _GAUGE, "apps that wait to be looked at")
QUEUE_OLDEST = Metric("confd_queue_oldest_seconds", _GAUGE, "for how long the one that has waited longest has")
WATCH_LAG = Metric(
    "confd_watch_lag_revisions",
    _GAUGE,
    "revisions that the watch is behind the last read; others' writes count until its next sign of life",
)
STORE_REVISION = Metric("confd_store_revision", _GAUGE, "store revision that a read last told")
ENGINE_RESYNCS = Metric(
    "confd_engine_resyncs_total",
    _COUNTER,
    "full listings of the engine: at the start, and after a gap in its events",
)
ENGINE_AWAY = Metric("confd_engine_away", _GAUGE, "1 while the engine does not answer")
ENGINE_CALLS = Metric(
    "confd_engine_calls_total",
    _COUNTER,
    "calls of the engine, by what they were about and ok or the error's code",
    ("about", "result"),
)

AGENT_METRICS = (
    *CONTAINER_USE.values(),
    CONTAINER_RUNNING,
    CONTAINER_RESTARTS,
    SCRAPE_LATE,
    APP_CONTAINERS,
    APP_BLOCKED,
    APP_PUBLISHED,
    APP_PUBLISHED_REVISION,
    APP_IN_EFFECT,
    APP_ACTIONS,
    APP_EFFECT,
    APP_ERRORS,
    APP_WAITING,
    APP_RETRIES,
    ACTIVE,
    QUEUE_DEPTH,
    QUEUE_OLDEST,
    WATCH_LAG,
    STORE_REVISION,
    ENGINE_RESYNCS,
    ENGINE_AWAY,
    ENGINE_CALLS,
    *FOLLOWING,
)
