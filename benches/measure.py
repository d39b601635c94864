#!/usr/bin/env python3
"""Runs a command and prints what it took, as one line of CODE OWN CHILDREN ORPHANS RSS.

OWN, CHILDREN and ORPHANS are seconds of CPU, user and system: of the command's own process, of those that it waited for,
and of those that it left behind, as ssh leaves a master. RSS is the largest resident memory of the command or of one that
it waited for, in KiB. Returns when all of them have ended.

    measure.py OUTPUT COMMAND...
"""

import ctypes
import os
import sys

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: what is left behind becomes a child of this process.


def own_seconds(pid):
    """Of a process that has ended and was not waited for yet."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    if ctypes.CDLL(None, use_errno=True).prctl(SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("measure.py: no subreaper here")
    output, command = sys.argv[1], sys.argv[2:]
    started = os.fork()
    if started == 0:
        to = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(to, 1)
        os.dup2(to, 2)
        os.execvp(command[0], command)
    code = own = children = orphans = rss = 0
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            break
        alone = own_seconds(ended.si_pid)
        pid, status, usage = os.wait4(ended.si_pid, 0)
        seconds = usage.ru_utime + usage.ru_stime
        if pid == started:
            code, own, rss = os.waitstatus_to_exitcode(status), alone, usage.ru_maxrss
            children = max(0.0, seconds - alone)
        else:
            orphans += seconds
    print(f"{code} {own:.3f} {children:.3f} {orphans:.3f} {rss}")


if __name__ == "__main__":
    main()
