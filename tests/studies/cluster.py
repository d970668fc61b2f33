"""A Ray cluster of two machines of one processor each, on this one.

``python -m tests.studies.cluster`` prints its address; a line on standard input takes the second
machine away without a warning, the end of input ends all. NAME=VALUE on the command line is set on
the second machine alone.
"""

import os
import sys

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # all stays on 127.0.0.1
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

if __name__ == "__main__":
    common = {"num_cpus": 1, "memory": 4 * 2**30, "object_store_memory": 200 * 2**20}
    local = {"node_ip_address": "127.0.0.1", "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={**common, **local})
    own = dict(argument.split("=") for argument in sys.argv[1:])
    second = cluster.add_node(node_ip_address="127.0.0.1", env_vars=own, **common)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(second, allow_graceful=False)
        print("gone", flush=True)
    cluster.shutdown()
