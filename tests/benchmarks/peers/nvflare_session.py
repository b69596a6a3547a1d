"""``python nvflare_session.py ADMIN_KIT USER JOB SITES``: submits a job to a running NVFLARE.

Runs in NVFLARE's own environment. Waits until all sites are connected and says so, submits once a
line comes on stdin, says when that was (Unix nanoseconds), and how the job ended.
"""

import sys
import time

from nvflare.fuel.flare_api.flare_api import new_secure_session

CONNECTED_S = 60.0


def main(kit: str, user: str, job: str, sites: int) -> None:
    """Submit ``job`` as ``user`` once ``sites`` sites are connected."""
    session = new_secure_session(user, kit)
    try:
        deadline = time.monotonic() + CONNECTED_S
        while len(session.get_system_info().client_info) < sites:
            if time.monotonic() > deadline:
                raise SystemExit("not all sites connected in time")
            time.sleep(0.2)
        print("connected", flush=True)
        sys.stdin.readline()
        submitted = time.time_ns()
        number = session.submit_job(job)
        print("submitted", submitted, flush=True)
        session.monitor_job(number, poll_interval=0.5)
        print("ended", session.get_job_meta(number)["status"], flush=True)
        sys.stdin.readline()
    finally:
        session.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
