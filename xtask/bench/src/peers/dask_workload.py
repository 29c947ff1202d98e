"""Does with dask.distributed what the benchmark says on stdin, a line each, and answers with a line of JSON."""

import json
import subprocess
import sys
import time

from dask.distributed import Client, LocalCluster, get_worker
import distributed


def task(_):
    return subprocess.run(["true"]).returncode


def stamp(lines):
    for _ in range(lines):
        time.sleep(0.01)
        get_worker().log_event("line", time.monotonic_ns())


def tasks(client, count):
    began = time.monotonic()
    codes = client.gather(client.map(task, range(count), pure=False))
    took = time.monotonic() - began
    assert codes == [0] * count
    return {"seconds": took}


def idle(client, count):
    times = []
    for _ in range(count):
        began = time.monotonic()
        client.submit(task, 0, pure=False).result()
        times.append((time.monotonic() - began) * 1e3)
    return {"ms": times}


def lines(client, count):
    ages = []
    client.subscribe_topic("line", lambda event: ages.append((time.monotonic_ns() - event[1]) / 1e6))
    client.submit(stamp, count, pure=False).result()
    until = time.monotonic() + 5
    while len(ages) < count and time.monotonic() < until:
        time.sleep(0.01)
    client.unsubscribe_topic("line")
    return {"ms": ages}


def main():
    slots = int(sys.argv[1])
    cluster = LocalCluster(n_workers=1, threads_per_worker=slots, processes=True, dashboard_address=None)
    with cluster, Client(cluster) as client:
        print(json.dumps({"version": distributed.__version__}), flush=True)
        for order in sys.stdin:
            what, count = order.split()
            answer = {"tasks": tasks, "idle": idle, "lines": lines}[what](client, int(count))
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
