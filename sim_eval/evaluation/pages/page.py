"""The page of an evaluation: what was found in words first, then figures, mistakes and ways through grasps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from graspnet.report.page import Section, details_html, figure_html, paragraph, table_html, write_report
from graspnet.report.words import counted, folder_name, listed, percent
from graspnet.run.progress import track
from graspnet.run.record import package_versions
from graspnet.sim_eval.analysis.resampling import FEWEST_CLUSTERS, Estimate
from graspnet.sim_eval.evaluation.groups import KEYS, Group
from graspnet.sim_eval.evaluation.judged import Figures
from graspnet.sim_eval.evaluation.pages.figures import (
    group_figure,
    ranking_figure,
    reliability_figure,
    sweep_figure,
    term_figure,
)
from graspnet.sim_eval.evaluation.pages.sheets import COLUMNS, sheet_figure, worst
from graspnet.sim_eval.evaluation.run import Evaluated
from graspnet.training.metrics import SURELY_RANKS

__all__ = ["opening_sentences", "write_page"]

MISTAKES = 2 * COLUMNS  # of either kind
FEW_OBJECTS = 20  # with fewer, intervals are too narrow
NO_INTERVAL = f"no interval: fewer than {FEWEST_CLUSTERS} objects do not tell how others would do"
WHOSE = {
    "test": "new to the network; everything below is of these",
    "dev": "new to the network too; these fit the temperature alone",
    "train-dev": "other images of objects that it was trained on",
    "train": "images that it was trained on, with new noise",
}


def write_page(path: Path, found: Evaluated) -> None:
    """Write report.html."""
    makers = {
        "How good is it?": lambda: _part_blocks(found),
        "Where is it worse?": lambda: _group_blocks(found),
        "Is quality the chance that a grasp holds?": lambda: _reliability_blocks(found),
        "Where does the error come from?": lambda: _term_blocks(found),
        "The worst mistakes": lambda: _mistake_blocks(found),
        "On the way through a grasp": lambda: _sweep_blocks(found),
        "Settings": lambda: _setting_blocks(found),
    }
    sections = [Section(title, makers[title]()) for title in track(makers, len(makers), "report", "sections")]
    title = f"Evaluation: {folder_name(found.model)} on {folder_name(str(found.dataset.folder))}"
    write_report(path, title, sections, [paragraph(text) for text in opening_sentences(found)])


def opening_sentences(found: Evaluated) -> list[str]:
    """What was found, for somebody who reads nothing else; one text for each paragraph."""
    figures, dataset = found.figures[found.reported], found.dataset.header
    whose = "that it was never trained on" if found.reported in ("test", "dev") else "that it was trained on"
    first = (
        f"The network {folder_name(found.model)} was asked about {counted(figures.examples, 'grasp')} in "
        f"{counted(figures.images, 'image')} of {counted(figures.objects, _noun(found))} {whose} (dataset "
        f"{dataset.name}, seed {dataset.seed}, sensor {found.sensor}). {_ranking(figures)} In "
        f"{percent(figures.best_positive.value)} of the images the grasp that it prefers is a good one "
        f"({_percents(figures.best_positive)}); {percent(figures.possible.value)} of the images have a good one at "
        f"all. On average its choice is {figures.regret.value:.3f} worse than the best there "
        f"({_fixed(figures.regret)})."
    )
    texts = [first, " ".join([_calibration(found), *_worse_sentences(found)]), _largest_term(found)]
    return [*filter(None, texts), *found.warnings, *found.notes]


def _ranking(figures: Figures) -> str:
    if not figures.roc_auc.defined:
        return "All labels are alike, so nothing can be said of its ranking."
    guess = "" if figures.roc_auc.value >= SURELY_RANKS else " That is hardly better than a guess, which has 0.5."
    return (
        f"Of a good and a bad grasp it gives the good one the higher quality in {percent(figures.roc_auc.value)} of "
        f"all pairs (ROC AUC {_cell(figures.roc_auc)}).{guess} Its average precision is "
        f"{_cell(figures.average_precision)}; a guess would have {figures.positive_rate.value:.3f}."
    )


def _calibration(found: Evaluated) -> str:
    figures = found.figures[found.reported]
    off = figures.overconfidence
    way = "higher" if off.value > 0 else "lower"
    surely = off.low > 0 or off.high < 0 or not np.isfinite(off.low)
    text = (
        f"Its qualities are {abs(off.value):.3f} {way} than the labels on average ({_fixed(off)}"
        f"{'' if surely else ', so perhaps neither'}); in groups of equal quality they are "
        f"{figures.calibration_error.value:.3f} off (ECE)."
    )
    if found.dev_temperature is not None:
        own = found.checkpoint.temperature
        picks = f" and, by picks, a bias of {found.checkpoint.bias:+.2f}" if found.checkpoint.bias else ""
        text += f" The dev half asks for a temperature of {found.dev_temperature:.2f}; the model has {own:.2f}{picks}."
    return text


def _worse_sentences(found: Evaluated) -> list[str]:
    worse = [group for group in found.groups if group.ranks_worse]
    sure = [group for group in found.groups if group.promises_more]
    tested = sum(np.isfinite(group.auc_difference.p_value) for group in found.groups)
    sentences = []
    if worse:
        each = [f"{_named(g)} (ROC AUC {g.roc_auc.value:.3f})" for g in _by_size(worse)]
        sentences.append(f"It ranks grasps worse, by more than chance would give, for {listed(each)}.")
    if sure:
        each = [f"{_named(g)} ({g.overconfidence.value:+.3f})" for g in _by_promise(sure)]
        sentences.append(f"It promises too much, more than elsewhere, for {listed(each)}.")
    if tested and not sentences:
        sentences.append(
            f"In none of the {tested} groups of grasps that were compared is it worse than elsewhere, beyond chance."
        )
    return sentences


def _largest_term(found: Evaluated) -> str:
    easier = [term for term in found.terms if term.name.startswith("variance") and term.certainly_negative]
    if easier:
        return (
            f"The new {_noun(found)}s are easier than those that it was trained on (“{easier[0].name}” is "
            f"{_cell(easier[0].size, 4)}), so the parts of its error say little: evaluate on more of them."
        )
    certain = [term for term in found.terms if term.certain and not term.name.startswith(("label", "hidden", "noise"))]
    if not certain:
        return ""
    term = max(certain, key=lambda each: each.size.value)
    brier = found.figures[found.reported].brier
    return (
        f"Of its error (a Brier score of {_cell(brier)}) the part to begin with is “{term.name}”, "
        f"{term.size.value:.4f} ({_fixed(term.size, 4)}): {term.meaning}. {term.advice}"
    )


def _part_blocks(found: Evaluated) -> tuple[str, ...]:
    named: dict[str, Figures] = {
        name: found.figures[name] for name in ("test", "dev", "train-dev", "train") if name in found.figures
    }
    if found.recalibrated is not None:
        named[f"{found.reported}, dev's temperature"] = found.recalibrated
    named |= found.others
    tables = [
        table_html(
            ["part", "grasps", "images", _noun(found) + "s", "positive", "AP", "ROC AUC"],
            [
                [name, f.examples, f.images, f.objects, percent(f.positive_rate.value), _cell(f.average_precision),
                 _cell(f.roc_auc)]
                for name, f in named.items()
            ],
        ),
        table_html(
            ["part", "AP, free", "accuracy", "Brier", "ECE", "mean quality − label"],
            [
                [name, _cell(f.free_average_precision), _cell(f.accuracy), _cell(f.brier, 4),
                 _cell(f.calibration_error), _signed(f.overconfidence)]
                for name, f in named.items()
            ],
        ),
        table_html(
            ["part", "best grasp good", "possible", "regret"],
            [[name, _cell(f.best_positive), _cell(f.possible), _cell(f.regret)] for name, f in named.items()],
        ),
    ]  # fmt: skip
    legend = [[name, WHOSE[name]] for name in named if name in WHOSE]
    few = found.figures[found.reported].objects < FEW_OBJECTS
    text = (
        "AP is the average precision, over all grasps and over those that close on the object and touch nothing on the "
        "way (misses and collisions are free points). Accuracy takes a grasp for good if its quality is above ½. The "
        "Brier score is the mean square of quality − label, ECE the mean distance of groups of equal quality from "
        "their mean label. “Best grasp good”: the share of images whose grasp of the highest quality is a good one; "
        "“possible”: whose best-labelled grasp is. Regret is the label of the best grasp of an image minus that of the "
        f"preferred one. In brackets are 95 % intervals by a bootstrap over {_noun(found)}s"
        + (": with so few of them they are too narrow." if few else ".")
    )
    curve = (
        "Left: precision against recall; dotted is what a guess has. Right: labels of the grasp that the network "
        "prefers in each image, and of the best one there."
    )
    shown = {found.reported: found.test} | {name: judged for name, judged in found.parts.items()}
    return (
        *tables, table_html(["part", "what it is"], legend), paragraph(text),
        figure_html(ranking_figure(shown), curve),
    )  # fmt: skip


def _group_blocks(found: Evaluated) -> tuple[str, ...]:
    words = _worse_sentences(found) or ["No group is large enough to be compared with the others."]
    text = (
        "Each group is compared with all grasps by two figures that do not depend on how many good grasps it "
        "has: the ROC AUC, and the mean of quality − label. Red are groups that are worse by more than chance would "
        "give: p < 0.05 after Holm's correction over all groups."
    )
    blocks = [paragraph(" ".join(words)), paragraph(text)]
    header = [
        "grasps",
        _noun(found) + "s",
        "positive",
        "AP",
        "ROC AUC",
        "Brier",
        "ECE",
        "mean quality − label",
        "worse?",
    ]
    for key in KEYS:
        groups = sorted((g for g in found.groups if g.key == key), key=lambda g: _rank(key, g))
        if groups:
            rows = [
                [g.name, g.examples, g.objects, percent(g.positive_rate.value), _cell(g.average_precision),
                 _cell(g.roc_auc), _cell(g.brier, 4), _cell(g.calibration_error), _signed(g.overconfidence),
                 _verdict(g)]
                for g in groups
            ]  # fmt: skip
            caption = f"By {key}: how well grasps are ranked, and by how much qualities are too high."
            blocks += [figure_html(group_figure(groups), caption)]
            blocks.append(details_html(f"By {key}, in figures", table_html([key, *header], rows)))
    if len(found.by_sensor) > 1:
        rows = [
            [name, f.examples, _cell(f.average_precision), _cell(f.roc_auc), _cell(f.brier, 4),
             _signed(f.overconfidence), _cell(f.best_positive), _cell(f.regret)]
            for name, f in found.by_sensor.items()
        ]  # fmt: skip
        header = ["sensor", "grasps", "AP", "ROC AUC", "Brier", "mean quality − label", "best grasp good", "regret"]
        blocks += [paragraph("The same images through other sensors:"), table_html(header, rows)]
    return tuple(blocks)


def _reliability_blocks(found: Evaluated) -> tuple[str, ...]:
    text = (
        "Left: grasps in groups by their quality, in steps of a tenth; a point is a group's mean label, the bar its "
        "95 % interval, the small number how many grasps it has. On the dotted line quality is the chance that the "
        "label gives; below it the network promises too much. Right: how many grasps have which quality (logarithmic)."
    )
    return paragraph(_calibration(found)), figure_html(reliability_figure(found.test), text)


def _term_blocks(found: Evaluated) -> tuple[str, ...]:
    rows = [[t.name, _cell(t.size, 4), _p(t.size.p_value), t.examples, t.meaning] for t in found.terms]
    header = ["part", "Brier", "p", "grasps", "what it is"]
    advice = table_html(["part", "what to do"], [[t.name, t.advice] for t in found.terms])
    text = (
        f"The Brier score on {found.reported} is {_cell(found.figures[found.reported].brier, 4)}. Its parts add up: "
        "what the labels do not know, what the image hides, bias and variance. “Noise” is a part of the last two, and "
        "“mismatch” comes on top elsewhere. What the image hides is a proxy: an observer who knows the true shape, and "
        "finds it in the noisy image, says the label of each grasp anew."
    )
    caption = "Parts of the error with 95 % intervals; red is more than chance would give."
    return paragraph(text), figure_html(term_figure(found.terms), caption), table_html(header, rows), advice


def _mistake_blocks(found: Evaluated) -> tuple[str, ...]:
    blocks = [paragraph(
        "Each column is one grasp: above the clean image (near is bright) with the hand drawn to scale, in the colour "
        "of its quality (red is 0, yellow ½, green 1); below what the network saw, with noise: bright is higher than "
        "the grasp, violet was not measured, bars are the open jaws. The worst come first; an image shows one at most."
    )]  # fmt: skip
    for title, overrated in (
        ("Bad grasps that it rates too high", True),
        ("Good grasps that it rates too low", False),
    ):
        rows = worst(found.test, MISTAKES, overrated=overrated)
        if not len(rows):
            blocks.append(paragraph(f"{title}: none."))
        for start in range(0, len(rows), COLUMNS):
            some = rows[start : start + COLUMNS].tolist()
            figure = sheet_figure(found.dataset, found.checkpoint, found.test, some, found.sensor)
            blocks.append(figure_html(figure, f"{title}, {start + 1} to {start + len(some)}."))
    return tuple(blocks)


def _sweep_blocks(found: Evaluated) -> tuple[str, ...]:
    if not found.sweeps:
        return (paragraph("There are none: no label could be computed anew, or none was asked for."),)
    text = (
        "The hand is moved through a grasp: along its pads, along the closing axis, about the approach and back along "
        "it. Blue is the quality on the noisy image, black the true label of every such grasp, computed anew from the "
        "object's mesh. The dotted line is the grasp itself."
    )
    of = found.test.of
    return paragraph(text), *(
        figure_html(sweep_figure(sweep), f"{of.object[sweep.row]}: {sweep.what}.") for sweep in found.sweeps
    )


def _setting_blocks(found: Evaluated) -> tuple[str, ...]:
    label, header = found.label, found.dataset.header
    facts = [
        ["network", f"{found.checkpoint.name}, {found.checkpoint.network.parameter_count():,} parameters"],
        ["dataset", f"{header.name}, seed {header.seed}, fingerprint {header.fingerprint}"],
        ["trained on this dataset", "yes" if found.trained_on else "no: all of its objects count as new"],
        ["label", f"{label.metric} above {label.threshold:g}, clearance ± {1000 * label.clearance_sigma:g} mm"],
        ["dev and test share no", found.config.split],
        ["sensor, seed", f"{found.sensor}, {found.config.seed}"],
        ["packages", ", ".join(f"{name} {version}" for name, version in package_versions().items())],
        ["the same again", "the arguments are in run.json, all figures in evaluation.json"],
    ]
    return (table_html(["", ""], facts),)


def _noun(found: Evaluated) -> str:
    return "object" if np.array_equal(found.test.of.scene, found.test.of.object) else "scene"


def _named(group: Group) -> str:
    return f"{group.key.partition(' (')[0]} “{group.name.replace('_', ' ')}”"


def _by_size(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda g: g.auc_difference.value)


def _by_promise(groups: Sequence[Group]) -> list[Group]:
    return sorted(groups, key=lambda g: -g.overconfidence.value)


def _rank(key: str, group: Group) -> tuple[float, str]:
    """Families, hands and sources by their AUC, the worst first; ranges of a number in their order."""
    if key in ("family", "hand", "candidate source"):
        return (group.roc_auc.value if group.roc_auc.defined else 2.0), group.name
    return (0.0 if group.name.startswith("below") else 2.0 if group.name.startswith("over") else 1.0), group.name


def _verdict(group: Group) -> str:
    said = [text for text, true in (("ranks worse", group.ranks_worse), ("promises more", group.promises_more)) if true]
    return ", ".join(said) or ("–" if np.isfinite(group.auc_difference.p_value) else "too few to say")


def _cell(estimate: Estimate, digits: int = 3, sign: str = "") -> str:
    """A figure and its interval, if it has one."""
    if not estimate.defined:
        return "–"
    value, low, high = (f"{each:{sign}.{digits}f}" for each in (estimate.value, estimate.low, estimate.high))
    return (f"{value} [{low}, {high}]" if np.isfinite(estimate.low) else value).replace("-", "−")


def _signed(estimate: Estimate) -> str:
    return _cell(estimate, sign="+")


def _fixed(estimate: Estimate, digits: int = 3) -> str:
    if not np.isfinite(estimate.low):
        return NO_INTERVAL
    return f"95 % interval: {estimate.low:.{digits}f} to {estimate.high:.{digits}f}".replace("-", "−")


def _percents(estimate: Estimate) -> str:
    if not np.isfinite(estimate.low):
        return NO_INTERVAL
    return f"95 % interval: {percent(estimate.low)} to {percent(estimate.high)}"


def _p(value: float) -> str:
    if not np.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.2g}"
