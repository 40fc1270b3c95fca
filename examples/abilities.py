"""Nine tests of 301 pupils, and the three abilities that they were published as measures of.

`abilities.csv` holds the scores of nine of the tests in Karl Holzinger and Frances Swineford, A Study in
Factor Analysis, Supplementary Educational Monographs 48, University of Chicago, 1939, as the package semopy
(MIT licence) has them, to four digits. The table is the textbook example of factor analysis.
"""

from pathlib import Path

from catvq_client import CatvqError, Client
from catvq_client.terminal.following import follow
from rich.console import Console
from sklearn.metrics import adjusted_rand_score

FILE = Path(__file__).with_name("abilities.csv")
ABILITIES = {
    "visual": ("visual_perception", "cubes", "lozenges"),
    "verbal": ("paragraph_comprehension", "sentence_completion", "word_meaning"),
    "speed": ("speeded_addition", "counting_dots", "straight_and_curved_capitals"),
}


def find_abilities(client: Client, console: Console) -> str:
    """Train on the scores alone, print which tests came together, and say so in one sentence.

    Raises:
        CatvqError: The job did not succeed.
    """
    dataset = client.datasets.upload(FILE, name="abilities")
    job = client.jobs.submit(
        {
            "dataset": dataset.id,
            "name": "abilities",
            "model": {"categories": len(ABILITIES)},
            "report": {"baselines": False},
        }
    )
    ended = follow(client, job.id, console)
    model = client.jobs.get(job.id).model
    if model is None:
        raise CatvqError(f"the job {ended.status}: {ended.reason}")
    category_of = {feature.name: feature.category for feature in client.models.grouping(model).features}
    for number in sorted(set(category_of.values())):
        console.print("  together:", ", ".join(name for name in category_of if category_of[name] == number))
    return describe(category_of, dataset.rows)


def describe(category_of: dict[str, int], rows: int) -> str:
    """Compare the categories of the tests with the published abilities, in words."""
    published = [(test, ability) for ability, tests in ABILITIES.items() for test in tests]
    agreement = adjusted_rand_score(
        [ability for _, ability in published], [category_of[test] for test, _ in published]
    )
    found = f"from the scores of {rows} pupils, {len(published)} tests fell into"
    names = ", ".join(ABILITIES)
    if agreement == 1:
        return f"{found} the published abilities: {names}"
    return f"{found} groups that agree with the published abilities ({names}) to {agreement:.2f} of 1"
