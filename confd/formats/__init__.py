"""Import and export formats. To add one: a pure module with NAME, load and dump, and one entry here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from confd.formats import (
    composeenv,
    dotenv,
    ini,
    jsonfile,
    kubernetes,
    properties,
    tomlfile,
    xmlfile,
    yamlfile,
)
from confd.jsontext import Value

__all__ = ["FORMATS", "Format"]


@dataclass(frozen=True, slots=True)
class Format:
    """A registered format.

    `load` gives key and value pairs in file order and raises `Malformed` with the line; `dump` gives the file's
    text and raises `Invalid` where the format cannot hold a value. `warnings` tells what a reader of a file that
    `load` takes should know. `keyed`: it holds settings by their keys; any other holds variables by their names.
    """

    name: str
    doc: str
    load: Callable[[str], list[tuple[str, Value]]]
    dump: Callable[[Mapping[str, Value]], str]
    warnings: Callable[[str], list[str]] = lambda text: []
    keyed: bool = False


FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format(
            dotenv.NAME,
            "the .env dialect of dotenv readers; a $ stays a $",
            dotenv.load,
            dotenv.dump,
            dotenv.warnings,
        ),
        Format(
            composeenv.NAME,
            "the .env dialect of Compose, with references to earlier lines",
            composeenv.load,
            composeenv.dump,
            composeenv.warnings,
        ),
        Format(
            dotenv.DOCKER,
            "the dialect of docker run --env-file",
            dotenv.load_docker,
            dotenv.dump_docker,
            dotenv.warnings_docker,
        ),
        Format(
            jsonfile.NAME,
            "one JSON object; nested members are segments",
            jsonfile.load,
            jsonfile.dump,
            keyed=True,
        ),
        Format(
            yamlfile.NAME,
            "one YAML 1.2 mapping of the core schema; nested members are segments",
            yamlfile.load,
            yamlfile.dump,
            yamlfile.warnings,
            keyed=True,
        ),
        Format(
            tomlfile.NAME,
            "a TOML 1.0 document; nested tables are segments",
            tomlfile.load,
            tomlfile.dump,
            keyed=True,
        ),
        Format(
            properties.NAME,
            "the .properties of Java; a name is a key, and every value a string",
            properties.load,
            properties.dump,
            properties.warnings,
            keyed=True,
        ),
        Format(
            ini.NAME,
            "INI sections as folders of keys, every value a string; nothing is interpolated",
            ini.load,
            ini.dump,
            ini.warnings,
            keyed=True,
        ),
        Format(
            xmlfile.NAME,
            "the properties form of Java in XML; on import a plain tree of elements too",
            xmlfile.load,
            xmlfile.dump,
            keyed=True,
        ),
        Format(
            kubernetes.NAME,
            "the data of a ConfigMap of Kubernetes, whose names are variables",
            kubernetes.load,
            kubernetes.dump,
            kubernetes.warnings,
        ),
        Format(
            kubernetes.SECRET,
            "the data of a Secret of Kubernetes, in base64; whose names are variables",
            kubernetes.load_secret,
            kubernetes.dump_secret,
        ),
    )
}
