"""Choose the next batch on a Jetson AGX Orin, check the choice, and see what a baseline does.

Run with ``python examples/solve_a_problem.py``.
"""

import edgebatch as eb

node = eb.device_preset("Jetson AGX Orin 64GB").node(
    efficiency=0.5, bandwidth_efficiency=0.7, step_overhead_seconds=0.002
)
model = eb.model_preset("Llama-3.1-8B").model
precisions = tuple(eb.precision_preset(name).precision(model.name) for name in ("w8a16", "w4a16"))

# eight requests: long ones that are patient, short ones that are not, two that want 8 bits
requests = eb.Requests.from_list(
    eb.Request(
        id=f"user-{number}",
        prompt_tokens=prompt,
        output_tokens=output,
        deadline_seconds=deadline,
        min_quality=quality,
    )
    for number, (prompt, output, deadline, quality) in enumerate(
        [
            (2000, 400, 20.0, 0.0),
            (1500, 300, 25.0, 0.0),
            (500, 100, 12.0, 0.0),
            (300, 120, 12.0, 0.95),
            (800, 80, 8.0, 0.0),
            (200, 60, 6.0, 0.0),
            (1000, 150, 15.0, 0.95),
            (100, 40, 5.0, 0.0),
        ]
    )
)
problem = eb.Problem(node, model, precisions, requests)

for name in ("dftsp", "fcfs", "sjf", "none"):
    result = eb.make_solver(name).solve(problem)
    chosen = ", ".join(requests.ids[index] for index in result.selected)
    print(f"{name:6} {result.status:8} {result.objective:g} of at most {result.bound:g}: {chosen}")

best = eb.make_solver("dftsp").solve(problem)
assert best.precision is not None
evaluation = eb.evaluate(problem, best.selected, best.precision)
print(f"\n{best.precision}: feasible {evaluation.feasible}")
print(f"{evaluation.latency_seconds:.3f} s, {evaluation.memory_bytes / 1e9:.2f} GB")

everyone = eb.evaluate(problem, range(len(requests)), "w4a16")
print("\nIf all eight were served at once in 4 bits:")
for violation in everyone.violations:
    who = "the batch" if violation.request is None else requests.ids[violation.request]
    print(f"{who}: {violation.budget} {violation.use:.3g}, limit {violation.limit:.3g}")
