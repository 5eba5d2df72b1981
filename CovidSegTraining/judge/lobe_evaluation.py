"""Five folds over drawn lobes: how far estimated lobes overlap with them, and whether the score's range holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from CovidSegLib.anatomy.lobe_estimate import EstimatedLobes, Lobe, find_lobes, lobes_of_any_lungs
from CovidSegLib.anatomy.lobe_model import LobeModel
from CovidSegLib.errors import InputError
from CovidSegLib.measures.lobes import lobe_name
from CovidSegLib.measures.severity import member_scores, severity_of
from CovidSegLib.measures.values import EstimatedLobe
from CovidSegLib.progress import Progress

from ..data.lobe_cases import LobeCase, fold_of
from ..tables import markdown
from .lobe_infections import InfectedLungs, carried
from .readers import dice

PAIRS_A_CASE = 3
"""Into how many infected lungs' places each case is put: all scans take turns."""


@dataclass(frozen=True)
class ScoreTest:
    """One infection carried into held-out lungs: the true score, the estimate and its range.

    ``percents_inside``, ``scores_inside``: of each lobe 1 to 5, whether its range holds the true share and score.
    """

    case: str
    scan: str
    true: int
    median: int
    low: int
    high: int
    percents_inside: tuple[bool, ...]
    scores_inside: tuple[bool, ...]

    @property
    def inside(self) -> bool:
        """Whether the range holds the true score."""
        return self.low <= self.true <= self.high


@dataclass(frozen=True)
class LobeCaseScores:
    """Of one held-out case: ``dice`` of lobes 1 to 5, ``odd`` (see :attr:`LobeCase.is_odd`).

    ``refused``: why CovidSeg would give no lobes (their scores count all the same); empty where it would.
    """

    case: str
    fold: int
    dice: tuple[float, ...]
    odd: bool
    refused: str = ""
    tests: tuple[ScoreTest, ...] = ()


def judge(
    cases: Sequence[LobeCase],
    folds: int,
    train: Callable[[Sequence[LobeCase]], LobeModel],
    infections: Sequence[InfectedLungs],
    progress: Progress,
) -> tuple[LobeCaseScores, ...]:
    """Estimate the lobes of every case with a model that was trained without its fold."""
    own = fold_of(cases, folds)
    found: list[LobeCaseScores] = []
    for fold in range(1, folds + 1):
        model = train([case for case, other in zip(cases, own, strict=True) if other != fold])
        for number, (case, other) in enumerate(zip(cases, own, strict=True)):
            if other == fold:
                progress.step("judging", len(found), len(cases))
                found.append(_judge_case(case, fold, model, _turn(infections, number)))
    return tuple(sorted(found, key=lambda one: one.case))


def _turn(infections: Sequence[InfectedLungs], number: int) -> list[InfectedLungs]:
    count = min(PAIRS_A_CASE, len(infections))
    return [infections[(PAIRS_A_CASE * number + turn) % len(infections)] for turn in range(count)]


def _judge_case(case: LobeCase, fold: int, model: LobeModel, infections: Sequence[InfectedLungs]) -> LobeCaseScores:
    lungs = case.lungs
    padded = np.pad(lungs, 1)  # the masks are cut out right at the lungs
    refused = ""
    try:
        find_lobes(padded, case.spacing_mm, model)
    except InputError as error:
        refused = error.sentence
    shown = lobes_of_any_lungs(padded, case.spacing_mm, model).lobe_map(padded)[1:-1, 1:-1, 1:-1]
    scores = tuple(dice(shown == lobe, case.lobes == lobe) for lobe in sorted(Lobe))
    tests = []
    for source in infections:
        infected = np.pad(carried(source, lungs), 1)
        found = lobes_of_any_lungs(infected, case.spacing_mm, model)
        tests.append(_test(case, source.name, infected[1:-1, 1:-1, 1:-1] > 2, found))
    return LobeCaseScores(case.name, fold, scores, case.is_odd, refused, tuple(tests))


def _test(case: LobeCase, scan: str, infected: np.ndarray, found: EstimatedLobes) -> ScoreTest:
    lung = np.bincount(case.lobes.ravel(), minlength=len(Lobe) + 1)[1:]
    ill = np.bincount(case.lobes[infected], minlength=len(Lobe) + 1)[1:]
    true = np.stack([lung, ill], axis=1)[None]
    told = severity_of(found, 1.0)
    pairs = tuple(zip(sorted(told.lobes, key=_value), true[0], member_scores(true)[0], strict=True))
    inside = tuple(
        bool(one.percent_low <= 100.0 * counts[1] / counts[0] <= one.percent_high) for one, counts, _ in pairs
    )
    scores = tuple(bool(one.score_low <= score <= one.score_high) for one, _, score in pairs)
    total = int(member_scores(true).sum())
    return ScoreTest(case.name, scan, total, told.score, told.low, told.high, inside, scores)


def _value(lobe: EstimatedLobe) -> int:
    """The value of a lobe in a map, by its name."""
    return next(int(one) for one in Lobe if lobe_name(one) == lobe.name)


def summary(results: Sequence[LobeCaseScores]) -> dict[str, object]:
    """Scores for the card and for JSON."""
    usual = [one for one in results if not one.odd]
    lobes = {}
    for lobe in sorted(Lobe):
        values, of_usual = ([one.dice[lobe - 1] for one in group] for group in (results, usual))
        lobes[str(int(lobe))] = {
            "name": lobe_name(lobe),
            "mean": round(float(np.mean(values)), 4),
            "median": round(float(np.median(values)), 4),
            "lowest": round(float(np.min(values)), 4),
            "below_half": int(np.sum(np.array(values) < 0.5)),
            "mean_of_usual_masks": round(float(np.mean(of_usual)), 4),
        }
    tests = [test for one in results for test in one.tests]
    return {
        "cases": len(results),
        "refused": [one.case for one in results if one.refused],
        "unusual_masks": [one.case for one in results if one.odd],
        "lobes": lobes,
        "severity": {**_of_tests(tests), "below_half": _far_off(results)} if tests else None,
    }


def _of_tests(tests: Sequence[ScoreTest]) -> dict[str, object]:
    return {
        "pairs": len(tests),
        "scans": len({test.scan for test in tests}),
        "inside": round(float(np.mean([test.inside for test in tests])), 4),
        "mean_width": round(float(np.mean([test.high - test.low for test in tests])), 3),
        "mean_error_of_median": round(float(np.mean([abs(test.median - test.true) for test in tests])), 3),
        "percent_inside": round(float(np.mean([test.percents_inside for test in tests])), 4),
        "percent_inside_by_lobe": [
            round(float(share), 4) for share in np.mean([test.percents_inside for test in tests], axis=0)
        ],
    }


def _far_off(results: Sequence[LobeCaseScores]) -> dict[str, object]:
    """Whether ranges hold the true scores where a lobe is far off: Dice below .5."""
    cases = [one for one in results if min(one.dice) < 0.5]
    lobes = [
        test.scores_inside[n] for one in cases for test in one.tests for n in range(len(Lobe)) if one.dice[n] < 0.5
    ]
    totals = [test.inside for one in cases for test in one.tests]
    return {"scores": len(totals), "inside": sum(totals), "lobe_scores": len(lobes), "lobe_scores_inside": sum(lobes)}


def table(results: Sequence[LobeCaseScores]) -> str:
    """The scores for people."""
    scores = summary(results)
    rows = [
        (
            str(one["name"]),
            f"{one['mean']:.3f}",
            f"{one['median']:.3f}",
            f"{one['mean_of_usual_masks']:.3f}",
            f"{one['lowest']:.2f}",
            str(one["below_half"]),
        )
        for one in scores["lobes"].values()  # type: ignore[attr-defined]
    ]
    text = markdown(("lobe", "Dice", "median", "usual masks", "lowest", "below .5"), rows)
    severity = scores["severity"]
    if isinstance(severity, dict):
        far, each = severity["below_half"], severity["percent_inside_by_lobe"]
        text += (
            f"\n\nCT severity score, {severity['pairs']} infections carried into held-out lungs: the 90 % range holds "
            f"the true score in {100 * severity['inside']:.1f} %, its mean width is {severity['mean_width']:.2f} "
            f"points; the median is off by {severity['mean_error_of_median']:.2f} points on average. The lobes' "
            f"ranges of percentages hold the true ones in {100 * severity['percent_inside']:.1f} % ("
            f"{100 * min(each):.1f} to {100 * max(each):.1f} % by lobe). Where a lobe overlaps by less than half, the "
            f"range of the score holds {far['inside']} of {far['scores']}, and that of the lobe's own score "
            f"{far['lobe_scores_inside']} of {far['lobe_scores']}."
        )
    return text
