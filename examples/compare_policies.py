"""Where does serving the most requests of each batch stop paying off?

Compares ``dftsp`` with earliest deadline first, shortest job first and continuous batching, from
light load to heavy, with three seeds. Run with ``python examples/compare_policies.py``.
"""

from statistics import fmean

import edgebatch as eb

POLICIES = ("dftsp", "edf", "sjf", "continuous", "continuous:expire=true")

scenario = eb.Scenario.load("orin-chat", ["workload.num_requests=300"])
comparison = eb.compare(
    scenario,
    [eb.parse_policy(text) for text in POLICIES],
    loads=[0.25, 1.0, 4.0],
    num_seeds=3,
)

print(f"1x is {comparison.capacity_per_second:.3f} requests/s; per cent served in time")
print(f"{'':30}" + "".join(f"{load:>8}x" for load in (0.25, 1, 4)))
for policy in comparison.policies():
    shares = [
        100.0 * fmean(run.summary["attainment"] for run in comparison.of(policy, rate))
        for rate in comparison.rates()
    ]
    print(f"{policy:30}" + "".join(f"{share:9.1f}" for share in shares))
