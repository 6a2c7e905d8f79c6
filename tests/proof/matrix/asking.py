"""Asks a node for each operation under a fault, and puts what comes of it into words."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.proof.history.installation import HOST, Installation
from tests.proof.matrix.cells import CHANGES, Fault, Op, Outcome, Part, Start
from tests.support.https import Client, Response

OLD: Final = "the-old-value"
NEW: Final = "the-new-value"

_UNKNOWN: Final = frozenset({"outcome_unknown", "timed_out", "internal", "request_timeout"})
_SILENT_S: Final = 3.0
"""How long a client waits for a node before it asks another one."""
_AGAIN_S: Final = 60.0
"""How long a client asks again, as it is told to: there may be a lease of a node that is gone."""
_RANDOM: Final = {"handler": "random", "interval_days": 90}


class Violation(Exception):
    """Something that may never happen, in words."""


@dataclass
class Asker:
    """A client of one node under a fault. ``acknowledged``: requests that must be on record exactly once.

    ``slowest_s``: the longest that it waited for an answer. ``unanswered``: what it had to ask the other node for.
    """

    made: Installation
    fault: Fault
    start: Start
    node: int
    acknowledged: dict[str, Op] = field(default_factory=dict)
    unanswered: set[Op] = field(default_factory=set)
    slowest_s: float = 0.0

    def name(self, op: Op) -> str:
        """The secret that an operation is about, which no other one touches."""
        return f"{self.fault.slug}-{self.start}-{op.name.lower().replace('_', '-')}"

    async def prepare(self) -> None:
        """Make all secrets, as they are before anything is wrong; the node has read those that it is to know."""
        await asyncio.gather(*(self._made(op) for op in Op if op not in {Op.LIST, Op.LOG_IN}))
        if self.start is Start.WARM:
            await self._well(self.client(), "GET", self._place(Op.READ))

    async def _made(self, op: Op) -> None:
        # What the node is not to know is made by the other one.
        through = self.client(1 - self.node if op is Op.FIRST_READ else self.node)
        policy = {"rotation_policy": _RANDOM} if op is Op.ROTATE else {}
        key = {"Idempotency-Key": f"{self.name(op)}.{OLD}"}
        written = await self._well(through, "PUT", self._place(op), {"value": OLD, **policy}, key)
        if not written["replicated"]:
            raise Violation(f"{self.name(op)} could not be made ready: Key Vault does not have it")
        if op is Op.PURGE:
            await self._well(through, "DELETE", self._place(op))

    async def _well(
        self, client: Client, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Ask while all is well, again where the machine is so busy that the node says to."""
        answer = await self._until_not_busy(client, method, target, body, headers or {})
        if answer.status >= 300:
            raise Violation(f"while all was well: {answer.status} {answer.body!r}")
        return answer.json

    def client(self, node: int | None = None, who: str = "app") -> Client:
        """A client of the node that is asked, or of another one; of no one it is one without a token."""
        known = self.made.client(self.node if node is None else node, who or "app")
        return known if who else replace(known, token=None)

    def _place(self, op: Op) -> str:
        return f"/v1/secrets/{self.name(op)}"

    async def ask(self, op: Op) -> Outcome:
        """Ask for it once, as a client does.

        Raises:
            Violation: what came of it is none of the outcomes.
        """
        asks = {
            Op.READ: self._read,
            Op.FIRST_READ: self._read,
            Op.WRITE: self._write,
            Op.DELETE: self._delete,
            Op.PURGE: self._purge,
            Op.ROTATE: self._rotate,
            Op.RULE: self._rule,
            Op.LIST: self._list,
            Op.LOG_IN: self._log_in,
        }
        outcome = await asks[op](op)
        return Outcome.ONCE if op in self.unanswered and op in CHANGES and outcome is not Outcome.REFUSED else outcome

    # --- the operations

    async def _read(self, op: Op) -> Outcome:
        answer = await self._request(op, "GET", self._place(op))
        if answer.status != 200:
            return self._refusal(op, answer)
        if answer.json["value"] != OLD:
            raise Violation(f"a wrong value, {answer.json['value']!r}")
        return Outcome.STALE if answer.json["stale"] else Outcome.WELL

    async def _write(self, op: Op) -> Outcome:
        answer = await self.write()
        if answer.status >= 300:
            return self._refusal(op, answer)
        there = [each.value for each in self.made.vault.model.history(self.name(op))]
        if answer.json["replicated"] and NEW not in there:
            raise Violation(f"it says that Key Vault has it, which has {there}")
        await self._look(op, {NEW})
        return Outcome.WELL if answer.json["replicated"] else Outcome.LATER

    async def write(self) -> Response:
        """Write the new value. As often as it is repeated, it is one request: it has a key."""
        key = {"Idempotency-Key": self.name(Op.WRITE)}
        return await self._request(Op.WRITE, "PUT", self._place(Op.WRITE), {"value": NEW}, key)

    async def _delete(self, op: Op) -> Outcome:
        answer = await self._request(op, "DELETE", self._place(op))
        if answer.status >= 300:
            return self._refusal(op, answer)
        await self._look(op, set())
        return Outcome.WELL if answer.json["replicated"] else Outcome.LATER

    async def _purge(self, op: Op) -> Outcome:
        answer = await self._request(op, "DELETE", f"/v1/deleted-secrets/{self.name(op)}")
        if answer.status >= 300:
            return self._refusal(op, answer)
        return Outcome.WELL if self.made.vault.model.phase(self.name(op)) is None else Outcome.LATER

    async def _rotate(self, op: Op) -> Outcome:
        answer = await self._request(op, "POST", f"{self._place(op)}/rotate")
        if code_of(answer) == "rotation_in_progress":
            return Outcome.ONCE  # another node has taken it up meanwhile, and goes on with it
        if answer.status >= 300:
            return self._refusal(op, answer)
        if not answer.json["success"]:
            raise Violation(f"a rotation that failed: {answer.json}")
        return Outcome.WELL if len(self.made.vault.model.history(self.name(op))) > 1 else Outcome.LATER

    async def _rule(self, op: Op) -> Outcome:
        """A grant lets its reader in at once, and a revocation keeps it out at once."""
        rule = {"pattern": self.name(op), "user_id": "reader", "permissions": ["get"]}
        answer = await self._request(op, "PUT", "/v1/grants", rule)
        if answer.status >= 300:
            return self._refusal(op, answer)
        await self._look(op, {OLD}, who="reader")
        answer = await self._request(op, "DELETE", f"/v1/grants?pattern={self.name(op)}&user_id=reader")
        if answer.status >= 300:
            return self._refusal(op, answer)
        await self._look(op, set(), who="reader", absent=403)
        return Outcome.WELL

    async def _list(self, op: Op) -> Outcome:
        answer = await self._request(op, "GET", "/v1/secrets?limit=1000")
        if answer.status != 200:
            return self._refusal(op, answer)
        names = {item["name"] for item in answer.json["items"]}
        missing = {self.name(op) for op in (Op.READ, Op.FIRST_READ, Op.WRITE, Op.ROTATE)} - names
        if missing:
            raise Violation(f"a list without {', '.join(sorted(missing))}")
        return Outcome.WELL

    async def _log_in(self, op: Op) -> Outcome:
        form = f"grant_type=client_credentials&client_id=app&client_secret={self.made.clients['app']}"
        body = f"{form}&scope=https://{HOST}/.default".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._request(op, "POST", f"/{self.made.tenant}/oauth2/v2.0/token", body, headers)
        if answer.status != 200:
            return self._refusal(op, answer)
        if not answer.json["access_token"]:
            raise Violation("a log-in without a token")
        return Outcome.WELL

    # --- asking

    async def _look(self, op: Op, values: set[str], *, who: str = "app", absent: int = 404) -> None:
        """What the node says of the secret right afterwards: one of these values, or that it is not there for us."""
        if self.fault.part is Part.NODE and self.start is Start.WARM:
            return  # it may be gone by now
        answer = await self.client(who=who).request("GET", self._place(op))
        if answer.status in {429, 503}:
            return
        if (answer.status != 200 and values) or (answer.status == 200 and answer.json["value"] not in values):
            raise Violation(f"right after its answer the node says {answer.status} {answer.body!r}")
        if not values and answer.status != absent:
            raise Violation(f"right after its answer the node says {answer.status}, and not {absent}")

    async def _request(
        self, op: Op, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        number = len(self.acknowledged)
        request_id = f"{self.name(op)}.{number}.{time.monotonic_ns()}"
        sent = {"X-Request-Id": request_id, **(headers or {})}
        began = time.monotonic()
        try:
            answer = await self._answer(op, method, target, body, sent)
        except (OSError, EOFError, TimeoutError) as error:
            raise Violation(f"no answer: {error!r} after {time.monotonic() - began:.1f} s") from error
        if op not in self.unanswered:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if answer.status < 300 and op not in {Op.LIST, Op.LOG_IN}:
                self.acknowledged[request_id] = op
        return answer

    async def _answer(self, op: Op, method: str, target: str, body: Any, headers: Mapping[str, str]) -> Response:
        who = "" if op is Op.LOG_IN else "app"
        if self.fault.part is not Part.NODE or self.start is Start.COLD:
            return await self.client(who=who).request(method, target, body, headers)
        try:
            if op not in self.unanswered:
                async with asyncio.timeout(_SILENT_S):
                    return await self.client(who=who).request(method, target, body, headers)
        except (OSError, EOFError, TimeoutError):
            self.unanswered.add(op)
        headers = {**headers, "X-Request-Id": f"{headers['X-Request-Id']}.b"}
        return await self._until_not_busy(self.client(1 - self.node, who), method, target, body, headers)

    async def _until_not_busy(
        self, client: Client, method: str, target: str, body: Any, headers: Mapping[str, str]
    ) -> Response:
        until = time.monotonic() + _AGAIN_S
        while True:
            answer = await client.request(method, target, body, headers)
            if answer.status != 503 or time.monotonic() > until:
                return answer
            await asyncio.sleep(1.0)

    def _refusal(self, op: Op, answer: Response) -> Outcome:
        if op in self.unanswered and op in CHANGES and answer.status in {404, 409}:
            return Outcome.ONCE  # it had taken effect
        if answer.status not in {429, 503}:
            raise Violation(f"{answer.status} {answer.body!r}")
        if answer.header("retry-after") is None:
            raise Violation(f"{answer.status} without Retry-After: {answer.body!r}")
        unknown = code_of(answer) in _UNKNOWN and op in CHANGES
        return Outcome.ONCE if unknown else Outcome.REFUSED


def code_of(answer: Response) -> str:
    """The code of a refusal."""
    found = answer.problem if answer.header("content-type") == "application/problem+json" else {}
    return str(found.get("code", ""))
