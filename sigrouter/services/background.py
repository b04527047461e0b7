"""Work that nobody waits for: started here, so that its faults are logged and the shutdown can wait for its end."""

from collections.abc import Coroutine
from typing import Any

from attrs import Factory, define
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from sigrouter.protocol.errors import SigrouterError


@define(eq=False)
class Background:
    """A store that is away ends such work quietly (it says so itself); anything else is a bug and logged as one."""

    log = Logger()

    _under_way: set[Deferred[None]] = Factory(set)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine until it waits, and the rest when it may go on."""
        deferred = Deferred.fromCoroutine(self._survive(work))
        if not deferred.called:
            self._under_way.add(deferred)
            deferred.addBoth(lambda _: self._under_way.discard(deferred))

    async def settle(self) -> None:
        """Wait for all that is under way now."""
        await DeferredList(list(self._under_way))

    async def _survive(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SigrouterError:
            pass
        except Exception:  # noqa: BLE001 - nobody waits for it: the log is the only place
            self.log.failure("background work failed")
