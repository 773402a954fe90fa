"""The report's sentences, built from results.json and from nothing else. None says more than its interval allows."""
from lib.captions import readable
from lib.figures import escape


def name(text: str) -> str:
    return escape(readable(text))


def points(share: float, sign: bool = True) -> str:
    return f"{100 * share:{'+' if sign else ''}.1f}"


def p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def verdict(interval: dict) -> str:
    """"higher", "lower" or "none": what the interval of a change allows to be said."""
    return "higher" if interval["low"] > 0 else "lower" if interval["high"] < 0 else "none"


def accuracy_sentence(compare: dict) -> str:
    before, after, change, test = compare["before"], compare["after"], compare["accuracy_change"], compare["mcnemar"]
    numbers = (f"{points(change['estimate'])} points, 95 % interval {points(change['low'])} to {points(change['high'])}, "
               f"McNemar {p_value(test['p_value'])}")
    arms = compare["arms"]
    levels = f"{arms[before]['test_accuracy']['mean']:.1%} to {arms[after]['test_accuracy']['mean']:.1%}"
    if verdict(change) == "none":
        return f"No difference in test accuracy between {name(before)} and {name(after)} was found ({levels}: {numbers})."
    word = "raises" if verdict(change) == "higher" else "lowers"
    return f"{name(after).capitalize()} {word} test accuracy from {levels} ({numbers})."


def finding(results: dict) -> str:
    """The study in three sentences: how good, how confident when wrong, what the change did."""
    compare = results["compare"]
    before, after = (compare["arms"][compare[arm]] for arm in ("before", "after"))
    first = accuracy_sentence(compare)
    second = (f"{name(compare['before']).capitalize()} makes {before['errors_ge_90']['mean']:.0f} of its {before['errors']['mean']:.0f} test errors at "
              f"90 % confidence or more, {name(compare['after'])} {after['errors_ge_90']['mean']:.0f} of {after['errors']['mean']:.0f}.")
    change = compare["aurc_change"]
    if verdict(change) == "none":
        third = ("Whether confidence ranks right before wrong better in one of the two was not settled: the areas under the risk–coverage curves differ by "
                 f"{change['estimate']:+.3f} (95 % interval {change['low']:+.3f} to {change['high']:+.3f}).")
    else:
        better = compare["after"] if change["high"] < 0 else compare["before"]
        third = (f"Rejecting the least confident predictions works better in {name(better)}: the area under its risk–coverage curve is "
                 f"{abs(change['estimate']):.3f} smaller (95 % interval {min(abs(change['low']), abs(change['high'])):.3f} to "
                 f"{max(abs(change['low']), abs(change['high'])):.3f}).")
    return " ".join((first, second, third))


def seeds_sentence(study: dict) -> str:
    count = len(study["seeds"])
    if count == 1:
        return "Each arm was trained once, with one seed: how much a second seed would change is not known from this study."
    return f"Each arm was trained with {count} seeds; tables give mean ± standard deviation, and paired tests use seed {study['seeds'][0]}."


def done(results: dict) -> str:
    study = results["study"]
    sizes = study["sizes"]
    arms = "; ".join(f"**{name(arm)}**: {escape(differs)}" for arm, differs in study["differences"].items())
    return (f"ResNet-18 with a 3×3 stem, no max-pool and {study['width']} channels in its first stage ({study['parameters']:,} parameters) was trained from scratch on "
            f"{escape(study['data'])}: {sizes['train']:,} train, {sizes['val']:,} validation and {sizes['test']:,} test images of {study['classes']} classes. "
            f"SGD with momentum {study['momentum']:g} and weight decay {study['weight_decay']:g}, learning rate {study['learning_rate']:g} divided by 10 after epochs "
            f"{' and '.join(map(str, study['milestones'])) or '(never)'}, {study['epochs']} epochs, batches of {study['batch_size']}. The last epoch's network counts; "
            f"the test split was read once, at the end. Arms: {arms}. {seeds_sentence(study)}\n\n{proof(study)}")


def proof(study: dict) -> str:
    """What the two readings of the same images prove about each split's transform."""
    lines = []
    for arm, shares in study["proof"].items():
        lines.append(f"in {name(arm)} {shares['train']:.1%} of train images")
    still = all(shares[split] == 0 for shares in study["proof"].values() for split in ("val", "test"))
    tail = "no validation or test image did" if still else "**validation or test images did, too: their transform is not the intended one**"
    return f"Read twice, as two epochs read them, {', '.join(lines)} differed between the readings; {tail}."


def training(results: dict) -> str:
    sentences = []
    for arm, numbers in results["compare"]["arms"].items():
        sentences.append(f"At the end {name(arm)} gets {numbers['train_accuracy']['mean']:.1%} of the clean train images and {numbers['val_accuracy']['mean']:.1%} of the "
                         f"validation images right, a gap of {points(numbers['train_val_gap']['mean'], sign=False)} points.")
    lam = results["study"]["mean_lambda"]
    for arm, value in lam.items():
        if value is not None:
            sentences.append(f"In {name(arm)} the mean share of its own picture that a mixed image kept was {value:.2f}.")
    return " ".join(sentences)


def failing(results: dict) -> str:
    failures = results["failures"]
    arm = failures["before"]
    numbers = failures["arms"][arm]
    text = f"{name(arm).capitalize()} gets {numbers['errors']:,} of {failures['test_images']:,} test images wrong"
    text += f", {numbers['within_superclass']:.0%} of them inside the true superclass." if numbers["within_superclass"] is not None else "."
    if failures["named"]:
        right = failures["named_right"]
        text += (f" Of the {failures['named']} named cases it gets {right} right: those are no failures of this network."
                 if right else f" All {failures['named']} named cases are errors here, too." if failures["named"] > 1 else "")
    if not failures["selected"]:
        text += " There is no error to show."
    return text


def planted(results: dict) -> str:
    causes = results["failures"].get("causes")
    if not causes:
        return ""
    none = next((row for row in causes if row["planted cause"] == "none"), None)
    arm = results["failures"]["before"]
    others = [f"{row[f'{arm} accuracy']:.1%} with {readable(row['planted cause'])}" for row in causes if row is not none]
    start = f"{none[f'{arm} accuracy']:.1%} without a planted cause, " if none else ""
    return f"Accuracy of {name(arm)} on the phantom, by planted cause: {start}{', '.join(others)}."


def attention(results: dict) -> str:
    cam = results["gradcam"]
    text = f"The maps are {cam['cells'][0]}×{cam['cells'][1]} cells at {cam['layer']}."
    if cam["completeness_error"] is not None:
        text += (" With average pooling and one linear layer behind it, the sum over a map plus the class's bias must equal the logit: the largest deviation here is "
                 f"{cam['completeness_error']:.1g} logits.")
    return text + " A map shows where evidence came from, not why; it is no proof of a cause."


def moved(results: dict) -> str:
    compare = results["compare"]
    counts, classes = compare["migration"], compare["classes"]
    before, after = name(compare["before"]), name(compare["after"])
    text = (f"{after.capitalize()} corrects {plural(counts['corrected'], 'image')} that {before} gets wrong, and gets {plural(counts['regressed'], 'image')} wrong that {before} gets right: "
            f"a net change of {counts['net_gain']:+,}. Both are wrong on {counts['both_wrong']:,}")
    if counts["both_wrong_less_confident_share"] is not None:
        text += f"; on {counts['both_wrong_less_confident_share']:.1%} of these {after} is the less confident of the two"
    beyond = classes["better_beyond_chance"] + classes["worse_beyond_chance"]
    text += (f".\n\nOf {classes['tested']} classes {classes['better']} have a higher accuracy, {classes['worse']} a lower one and {classes['equal']} the same. "
             + (f"Beyond chance (5 % false discoveries) {classes['better_beyond_chance']} rise and {classes['worse_beyond_chance']} fall."
                if beyond else "None of these changes is beyond chance (5 % false discoveries)."))
    return text


def rejecting(results: dict) -> str:
    compare = results["compare"]
    level = compare["reject_below"]
    sentences = []
    for arm, row in compare["rejection"].items():
        if row["selective_risk"] is None:
            sentences.append(f"{name(arm).capitalize()} accepts nothing.")
        else:
            sentences.append(f"{name(arm).capitalize()} accepts {row['coverage']:.1%} of the test images, and {row['selective_risk']:.1%} of the accepted are wrong "
                             f"(95 % interval {row['risk_low']:.1%} to {row['risk_high']:.1%}).")
    return (f"Rejecting predictions below {level:.0%} confidence: " + " ".join(sentences)
            + " One threshold accepts different shares in different arms, so these risks are not comparable with one another; the curves are.")


def smoothing(results: dict) -> str:
    """The ceiling that label smoothing puts on confidence, when an arm has it."""
    study = results["study"]
    arms = {arm: value for arm, value in study["label_smoothing"].items() if value}
    if not arms:
        return ""
    ceilings = "; ".join(f"{name(arm)} (smoothing {value:g}): {1 - value + value / study['classes']:.3f}" for arm, value in arms.items())
    return (f"Label smoothing makes a confidence below 1 the optimum of the loss even for a certain image: {ceilings}. Counts of errors at ≥ 90 % and ≥ 99 % fall in "
            "such an arm by construction and are no evidence of insight.")


def limits(results: dict) -> str:
    study = results["study"]
    items = [seeds_sentence(study), "Intervals cover the choice of test images, not the choice of seed.",
             "Where arms differ in more than one thing, the comparison does not say which of them made the difference."]
    if study["sizes"]["train"] < 40_000 or study["width"] < 64:
        items.append(f"The network is narrow ({study['width']} channels) and the schedule short ({study['epochs']} epochs): absolute accuracies are not those of the full recipe.")
    return "\n".join(f"- {item}" for item in items)


def confidence(results: dict) -> str:
    sentences = []
    for arm, numbers in results["compare"]["arms"].items():
        wrong, right = numbers["confidence_on_errors"]["mean"], numbers["confidence_on_right"]["mean"]
        if wrong is not None and right is not None:
            sentences.append(f"{name(arm).capitalize()} is on average {wrong:.1%} confident when wrong and {right:.1%} when right; a temperature of "
                             f"{numbers['temperature']['mean']:.2f}, fitted on validation, takes its calibration error from {numbers['ece']['mean']:.3f} to "
                             f"{numbers['ece_scaled']['mean']:.3f}.")
    return " ".join([*sentences, smoothing(results)]).strip()


def provenance(results: dict, versions: str) -> str:
    return (f"Data digest (SHA-256 of all images and labels in their splits): `{results['study']['data_digest']}`. "
            f"Versions: {escape(versions)}.")
