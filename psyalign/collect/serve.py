"""A collection begun or gone on with, and the server in front of it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from psyalign.collect.access import Keys, check_names, token_hash
from psyalign.collect.app import make_app
from psyalign.collect.plan import Settings, make_plan
from psyalign.collect.question import Texts
from psyalign.collect.store import Store
from psyalign.collect.tasks import Material, Task
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.hashing import hash_texts

__all__ = ["LOOPBACK", "Collection", "begin", "listen", "serve"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHOWN = 5  # of a setting that is a list, in a message


@dataclass(frozen=True)
class Collection:
    """A collection that can be served.

    Attributes
    ----------
    store : Store
    keys : Keys
    material : Material
    raters : list of str
        Who has a part.
    """

    store: Store
    keys: Keys
    material: Material
    raters: list[str]

    def paths(self) -> dict[str, str]:
        """The path of each rater's link, and the study manager's under the empty name."""
        links = {name: f"/r/{self.keys.rater(name)}" for name in self.raters}
        return {**links, "": f"/manage/{self.keys.manager()}"}


def begin(
    path: Path, material: Material, settings: Settings, asked_for: Sequence[str], raters: Sequence[str]
) -> Collection:
    """Begin a collection, or go on with the one that the file holds.

    Parameters
    ----------
    path : Path
        The SQLite file; the secret of the links lies beside it, with the suffix ``.key``.
    material : Material
        From the study; must be what the collection was begun with.
    settings : Settings
        For a new collection.
    asked_for : sequence of str
        Names of the settings that the user gave: they must be those of a collection that is there.
    raters : sequence of str
        Who has a part from now on. Empty: those of the collection that is there. What a rater without a part
        left open goes to the others.

    Raises
    ------
    UsageError
        No raters, or other settings than the collection was begun with.
    DataError
        The study's responses or items have changed since.
    """
    names = check_names(raters)
    store = Store(path)
    if not path.is_file():
        if not names:
            raise UsageError(
                "A new collection needs raters.", where="--raters", mend="Add --raters ann,bob,cem."
            )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        blocks = make_plan(material, settings)
        about = {"settings": asdict(settings), "seed": material.seed}
        store.create(blocks, {**about, "texts": _fingerprint(material, [t for b in blocks for t in b.tasks])})
    else:
        _same_settings(store.about()["settings"], settings, asked_for, path)
        if _fingerprint(material, store.plan()[1].values()) != store.about()["texts"]:
            raise DataError(
                "The study's responses or items have changed since this collection was begun.",
                where=str(path),
                mend="Put them back, or begin another collection with --name.",
            )
    seed = store.about()["seed"]
    keys = Keys(path.with_suffix(".key"))
    store.set_raters({name: token_hash(keys.rater(name)) for name in names or store.raters()})
    return Collection(store, keys, replace(material, seed=seed), store.raters())


def listen(host: str, port: int) -> socket.socket:
    """A socket on which the page can be served; port 0: any free one.

    Raises
    ------
    UsageError
        The address is not to be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise UsageError(
            f"The page cannot be served on {host}, port {port}: {reason}.",
            where="--host, --port",
            mend="Choose another --port; 0 takes any free one.",
        ) from None


def serve(collection: Collection, listening: socket.socket) -> None:
    """Serve the page until SIGINT or SIGTERM. Nothing is logged: addresses hold tokens."""
    import uvicorn

    host = listening.getsockname()[0]
    hosts = ["127.0.0.1", "localhost", "[::1]"] if host in LOOPBACK else None
    app = make_app(collection.store, collection.keys, collection.material, hosts)
    config = uvicorn.Config(
        app, access_log=False, log_config=None, log_level="critical", server_header=False, lifespan="off"
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        collection.store.close()


def _fingerprint(material: Material, tasks: Iterable[Task]) -> str:
    """Hash of all that raters see of the tasks: texts and items."""
    texts = Texts(material, tasks)
    shown = [part for name in texts.ids for part in (name, texts.get(name) or "")]
    items = [repr(material.items[name]) for name in sorted(material.items)]
    return hash_texts([*shown, *items])


def _same_settings(there: dict[str, Any], settings: Settings, asked_for: Sequence[str], path: Path) -> None:
    for name in asked_for:
        # a collection may be older than the setting
        wanted, found = asdict(settings)[name], there.get(name, [])
        if (list(wanted) if isinstance(wanted, tuple) else wanted) != found:
            shown = ", ".join(found[:SHOWN]) if isinstance(found, list) else found
            raise UsageError(
                f"This collection was begun with {name.replace('_', ' ')} {shown or 'none'}.",
                where=str(path),
                mend="Leave the option out to go on with it, or begin another collection with --name.",
            )
