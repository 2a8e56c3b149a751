"""Exceptions out of signal handlers, delivered exactly."""

import concurrent.futures
import contextlib
import dis
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from kakaclo_async.errors import OutcomeUnknown
from kakaclo_sync import _loop, _proxy, catalog, client, ordering, resources, stream

OURS = {module.__file__ for module in (_loop, _proxy, catalog, client, ordering, resources, stream)}
BETWEEN = {module.__file__ for module in (threading, contextlib, concurrent.futures._base)}
"""What Python's own library does on our behalf: there only where a handler can really be called."""

RETURN = dis.opmap["RETURN_VALUE"]
CHECKED = {
    dis.opmap[name]
    for name in ("RESUME", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD")
    if name in dis.opmap
}
"""The instructions after which Python calls the handlers of signals that have come."""


@cache
def _leaving_blocks(code):
    """Return where `with` calls `__exit__`: unprotected, and no signal is handled between the block and that call."""
    found = set()
    instructions = list(dis.get_instructions(code))
    for at in range(len(instructions) - 4):
        loads = instructions[at : at + 3]
        if all(one.opname == "LOAD_CONST" and one.argval is None for one in loads):
            rest = instructions[at + 3 : at + 5]
            if rest[0].opname in {"PRECALL", "CALL"} and rest[0].arg == 2:
                found.update(one.offset for one in (*loads, *rest[: 2 if rest[0].opname == "PRECALL" else 1]))
                if instructions[at - 1].opname == "SWAP":
                    found.add(instructions[at - 1].offset)
    return frozenset(found)


def _is_in_a_finalizer(frame):
    # Python prints what a finalizer raises and goes on, an interrupt too. It can run in the middle of anything.
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def interrupted_at(instruction, function, *, handled=False):
    """Call a function, and raise KeyboardInterrupt at one instruction of the blocking side's own code.

    Python handles signals after calls, at loops and where a function begins: never as late as the return into the
    caller's frame, nor between a `with` block and its `__exit__`, which are left out. So are finalizers, whose exceptions nobody can get.

    Args:
        instruction: its number, counted from 1.
        function: what to call.
        handled: whether only the package's own instructions count at which a handler can really be called: an interrupt
            in `Thread.start`, or around a lock, may leave Python's locks taken.

    Returns:
        What it returned or raised, and whether there were so many instructions.
    """
    seen = 0
    before = {}

    def trace(frame, event, _argument):
        nonlocal seen
        code = frame.f_code
        ours = code.co_filename in OURS
        if event == "call" and (not (ours or code.co_filename in BETWEEN) or _is_in_a_finalizer(frame)):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            now = code.co_code[frame.f_lasti]
            leaves = now == RETURN and frame.f_back.f_code.co_filename not in OURS | BETWEEN
            protected = frame.f_lasti not in _leaving_blocks(code)
            if handled:
                counts = ours and not leaves and before.get(frame) in CHECKED
            else:
                counts = (ours and not leaves and protected) or (not ours and before.get(frame) in CHECKED)
            if counts:
                seen += 1
                if seen == instruction:
                    raise KeyboardInterrupt
            before[frame] = now
        elif event == "return":
            before.pop(frame, None)
        return trace

    def run():
        sys.settrace(trace)
        try:
            return function()
        except (OutcomeUnknown, KeyboardInterrupt) as error:
            return error
        finally:
            sys.settrace(None)

    # On a thread of its own: a trace function that raises inside an `except` leaves the interpreter's notion of the
    # exception that is being handled behind.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(), seen >= instruction
