"""What a request is about."""

from __future__ import annotations

from dataclasses import dataclass

from confd.keys import App, Env, Host, Layer
from confd.services.places import Place

__all__ = ["Scope"]


@dataclass(frozen=True, slots=True)
class Scope:
    """An app in an env, on a host where a host's layer is meant."""

    env: Env
    app: App
    host: Host | None = None

    @property
    def layer(self) -> Layer:
        return Layer(self.env, self.app, self.host)

    @property
    def place(self) -> Place:
        return Place(self.env, self.app, self.host)
