"""The report's sentences, built from results.json and from nothing else. None says more than its interval allows."""
from lib.wording import count, escape, interval, level, listed, name, p_value, percent, plural, points, readable, signed, start


def see(*labels: str) -> str:
    """Links to figures and tables, filled with their numbers when the report is rendered."""
    return listed([f"[](#{label})" for label in labels])


def verdict(change: dict) -> str:
    """"higher", "lower" or "none": what the interval of a change allows to be said."""
    return "higher" if change["low"] > 0 else "lower" if change["high"] < 0 else "none"


def accuracy(compare: dict) -> str:
    """What became of test accuracy, in one sentence."""
    before, after, change = compare["before"], compare["after"], compare["accuracy_change"]
    numbers = (f"{points(change['estimate'])} points, {interval(points(change['low']), points(change['high']))}, "
               f"McNemar {p_value(compare['mcnemar']['p_value'])}")
    levels = " to ".join(percent(compare["seed_accuracy"][arm]) for arm in (before, after))
    if verdict(change) == "none":
        return f"No difference in test accuracy between {name(before)} and {name(after)} was found ({levels}: {numbers})."
    word = "raises" if verdict(change) == "higher" else "lowers"
    return f"{start(after)} {word} test accuracy from {levels} ({numbers})."


def sure_and_wrong(compare: dict) -> str:
    def one(arm):
        numbers = compare["arms"][arm]
        return f"{numbers['errors_ge_90']['mean']:.0f} of its {numbers['errors']['mean']:.0f} test errors"

    before, after = compare["before"], compare["after"]
    return f"{start(before)} makes {one(before)} at 90% confidence or more, {name(after)} {one(after)}."


def ranking(compare: dict) -> str:
    """In which arm rejecting by confidence leaves fewer errors, in one sentence; accuracy has its share in that."""
    change = compare["aurc_change"]
    if verdict(change) == "none":
        return (f"Rejecting the least confident predictions was not found to leave fewer errors in either: the areas under the "
                f"risk–coverage curves differ by {signed(change['estimate'], 3)} "
                f"({interval(signed(change['low'], 3), signed(change['high'], 3))}).")
    better = compare["after"] if change["high"] < 0 else compare["before"]
    low, high = sorted((abs(change["low"]), abs(change["high"])))
    return (f"Rejecting the least confident predictions leaves fewer errors in {name(better)}: the area under its risk–coverage "
            f"curve is {abs(change['estimate']):.3f} smaller ({interval(f'{low:.3f}', f'{high:.3f}')}).")


def finding(results: dict) -> str:
    """The study in three sentences: how good, how sure when wrong, how useful the confidence is."""
    compare = results["compare"]
    return " ".join((accuracy(compare), sure_and_wrong(compare), ranking(compare)))


def seeds(study: dict) -> str:
    number = len(study["seeds"])
    if number == 1:
        return "Each arm was trained once, with one seed: how much another seed would change is not known from this study."
    return (f"Each arm was trained with {number} seeds. The table of arms and what is said of training and confidence are means; "
            f"single images, paired tests and curves are those of seed {study['seeds'][0]}.")


def done(results: dict) -> str:
    """What was trained on what, how, and the proof of each split's transform."""
    study = results["study"]
    sizes, steps = study["sizes"], listed([str(epoch) for epoch in study["milestones"]])
    epochs = "epoch" if len(study["milestones"]) == 1 else "epochs"
    rate = f"learning rate {study['learning_rate']:g}" + (f", divided by 10 after {epochs} {steps}" if steps else "")
    arms = "\n".join(f"- **{name(arm)}**: {escape(differs)}" for arm, differs in study["differences"].items())
    return (f"ResNet-18 with a 3×3 stem, no max-pool and {study['width']} channels in its first stage ({study['parameters']:,} "
            f"parameters) was trained from scratch on {escape(study['data'])}: {sizes['train']:,} train, {sizes['val']:,} validation "
            f"and {sizes['test']:,} test images of {study['classes']} classes. SGD with momentum {study['momentum']:g} and weight "
            f"decay {study['weight_decay']:g}, {rate}; {study['epochs']} epochs, batches of {study['batch_size']}. The last epoch's "
            f"network counts; the test split was predicted once, at the end. {seeds(study)}\n\nThe arms:\n\n{arms}\n\n{proof(study)}")


def proof(study: dict) -> str:
    """What two readings of the same images prove about each split's transform."""
    moved = listed([f"{percent(shares['train'])} in {name(arm)}" for arm, shares in study["proof"].items()])
    still = all(shares[split] == 0 for shares in study["proof"].values() for split in ("val", "test"))
    return (f"The proof of each split's transform: read twice, as two epochs read them, the same train images differed ({moved}); "
            + ("no validation or test image did." if still else
               "**so did validation or test images: their transform is not the intended one.**"))


def training(results: dict) -> str:
    sentences = [f"At the end {name(arm)} gets {percent(numbers['train_accuracy']['mean'])} of the clean train images and "
                 f"{percent(numbers['val_accuracy']['mean'])} of the validation images right, a gap of "
                 f"{signed(100 * numbers['train_val_gap']['mean']).lstrip('+')} points ({see(f'fig-training-{arm}')})."
                 for arm, numbers in results["compare"]["arms"].items()]
    sentences += [f"A mixed image of {name(arm)} kept {percent(share, 0)} of its own picture on average."
                  for arm, share in results["study"]["mean_lambda"].items() if share is not None]
    return " ".join(sentences)


def failing(results: dict) -> str:
    failures = results["failures"]
    numbers = failures["arms"][failures["before"]]
    text = f"{start(failures['before'])} gets {numbers['errors']:,} of {failures['test_images']:,} test images wrong"
    text += "." if numbers["within_superclass"] is None else (
        f", {percent(numbers['within_superclass'], 0)} of them inside the true superclass "
        f"({percent(failures['chance_within_superclass'], 0)} if wrong classes were drawn at random).")
    if failures["named"]:
        right = failures["named_right"]
        named = plural(failures["named"], "named case")
        text += (f" {named} {'is' if failures['named'] == 1 else 'are'} looked at besides; it gets {count(right)} of them right"
                 + (", which is no failure of this network." if right else "."))
    if not failures["selected"]:
        return text if numbers["errors"] else text + " There is no error to show."
    return text + f" {see('fig-failures', 'tab-hypotheses')} show what is looked at."


def planted(results: dict) -> str:
    causes, arm = results["failures"].get("causes"), results["failures"]["before"]
    if not causes:
        return ""
    shares = {row["planted cause"]: percent(row[f"{arm} accuracy"]) for row in causes}
    plain = f"{shares.pop('none')} where nothing was planted; " if "none" in shares else ""
    return (f"The phantom's images have planted causes, so that the accuracy of {name(arm)} can be told apart by cause: {plain}"
            + listed([f"{share} with {readable(cause)}" for cause, share in shares.items()]) + f" ({see('tab-causes')}).")


def attention(results: dict) -> str:
    cam = results["gradcam"]
    text = f"The maps of {see('fig-gradcam')} have {cam['cells'][0]}×{cam['cells'][1]} cells at {cam['layer']}."
    if cam["completeness_error"] is not None:
        text += (" With average pooling and one linear layer behind them, the sum over a map plus the class's bias must equal the "
                 f"logit: the largest deviation is {cam['completeness_error']:.0e} logits.")
    return text + " A map shows where evidence came from, not why; it proves no cause."


def confidence(results: dict) -> str:
    sentences = []
    for arm, numbers in results["compare"]["arms"].items():
        wrong, right = numbers["confidence_on_errors"]["mean"], numbers["confidence_on_right"]["mean"]
        if wrong is not None and right is not None:
            sentences.append(f"{start(arm)} is {percent(wrong)} confident on average when wrong and {percent(right)} when right.")
        sentences.append(f"A temperature of {numbers['temperature']['mean']:.2f}, fitted on validation, takes its calibration error "
                         f"from {numbers['ece']['mean']:.3f} to {numbers['ece_scaled']['mean']:.3f}.")
    return " ".join([*sentences, smoothing(results["study"]), f"See {see('fig-confidence', 'fig-thresholds')}."])


def smoothing(study: dict) -> str:
    """The ceiling that label smoothing puts on confidence, when an arm has it."""
    ceilings = listed([f"{1 - value + value / study['classes']:.3f} in {name(arm)}, with smoothing {value:g}"
                       for arm, value in study["label_smoothing"].items() if value])
    return ceilings and (f"Label smoothing puts the optimum of the loss below full confidence even for a certain image ({ceilings}): "
                         "fewer errors at 90% and 99% confidence are no evidence of insight there.")


def moved(results: dict) -> str:
    """Corrected, regressed, wrong in both; and how many classes moved beyond chance."""
    compare = results["compare"]
    counts, classes = compare["migration"], compare["classes"]
    before, after = name(compare["before"]), name(compare["after"])
    text = (f"{start(compare['after'])} corrects {plural(counts['corrected'], 'image')} that {before} gets wrong, and gets "
            f"{plural(counts['regressed'], 'image')} wrong that {before} gets right: a net change of {signed(counts['net_gain'], 0)}. "
            f"Both are wrong on {counts['both_wrong']:,}")
    if counts["both_wrong_less_confident_share"] is not None:
        text += f"; on {percent(counts['both_wrong_less_confident_share'])} of these {after} is the less confident one"
    beyond = classes["better_beyond_chance"] + classes["worse_beyond_chance"]
    return text + (f".\n\nOf {classes['tested']} classes {count(classes['better'])} are more accurate in {after}, "
                   f"{count(classes['worse'])} less, and {count(classes['equal'])} as before. "
                   + (f"Beyond chance, with 5% false discoveries, {count(classes['better_beyond_chance'])} rise and "
                      f"{count(classes['worse_beyond_chance'])} fall." if beyond else
                      "With 5% false discoveries none of these changes is beyond chance.")
                   + f" See {see('fig-classes')}.")


def rejecting(results: dict) -> str:
    compare, sentences = results["compare"], []
    for arm, row in compare["rejection"].items():
        sentences.append(f"{start(arm)} accepts nothing." if row["selective_risk"] is None else
                         f"{start(arm)} accepts {percent(row['coverage'])} of the test images, and {percent(row['selective_risk'])} of "
                         f"these are wrong ({interval(percent(row['risk_low']), percent(row['risk_high']))}).")
    return (f"Suppose that predictions below {level(compare['reject_below'])} confidence are rejected. {' '.join(sentences)} "
            "One threshold accepts different shares in different arms, so these risks cannot be held against one another; the "
            f"curves of {see('fig-coverage')} can. {see('tab-rejection')} has other thresholds, {see('fig-reliability')} what "
            "confidence is worth as a probability.")


def limits(results: dict) -> str:
    study = results["study"]
    items = [seeds(study), "Intervals cover the choice of test images, not the choice of seed.",
             "Where arms differ in more than one thing, the comparison does not say which of them made the difference."]
    if study["width"] < 64:
        items.append(f"The network is narrow ({study['width']} channels, where ResNet-18 has 64) and was trained for "
                     f"{study['epochs']} epochs: its accuracies are not those of the full recipe.")
    return "\n".join(f"- {item}" for item in items)


def provenance(results: dict, versions: str) -> str:
    return (f"Data digest (SHA-256 of all images and labels in their splits): `{results['study']['data_digest']}`. "
            f"Versions: {escape(versions)}.")


def side_by_side(results: dict) -> str:
    compare = results["compare"]
    return (f"{accuracy(compare)} {see('tab-arms')} has the arms side by side, {see('tab-cases')} and {see('fig-before-after')} the same "
            "images in both.")
