"""Exceptions out of signal handlers, delivered exactly."""

import dis
import sys
from concurrent.futures import ThreadPoolExecutor

from kakaclo_async.errors import OutcomeUnknown
from kakaclo_sync import _loop, _proxy, stream

OURS = {_loop.__file__, _proxy.__file__, stream.__file__}
RETURN = dis.opmap["RETURN_VALUE"]


def interrupted_at(instruction, function):
    """Call a function, and raise KeyboardInterrupt at one instruction of the blocking side's own code.

    Python handles signals after calls, at loops and where a function begins: never as late as the return into the
    caller's frame, which is left out.

    Returns:
        What it returned or raised, and whether there were so many instructions.
    """
    seen = 0

    def trace(frame, event, _argument):
        nonlocal seen
        if frame.f_code.co_filename not in OURS:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            leaves = frame.f_code.co_code[frame.f_lasti] == RETURN
            if not (leaves and frame.f_back.f_code.co_filename not in OURS):
                seen += 1
                if seen == instruction:
                    raise KeyboardInterrupt
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
