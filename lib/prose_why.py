"""The report's sentences about causes: the verdicts over all errors, and how far the instrument that gave them can be trusted."""
from lib.wording import count, interval, listed, name, percent, plural, readable, start


def verdicts(results: dict) -> str:
    """Which causes the rule gives to the errors of both arms, on the half of the test split that formed no hypothesis."""
    sentences = []
    for arm, counts in results["gradcam"]["verdicts"].items():
        total = sum(counts.values())
        if not total:
            sentences.append(f"{start(arm)} makes no error on this half.")
            continue
        ranked = sorted(counts, key=counts.get, reverse=True)
        shares = listed([f"{readable(cause)} {percent(counts[cause] / total, 0)}" for cause in ranked if counts[cause]])
        sentences.append(f"Of {plural(total, 'error')} of {name(arm)} on the confirmation half the rule calls {shares}.")
    return " ".join(sentences)


def instrument(results: dict) -> str:
    """What the rule is, and its score on the phantom, if the study is one."""
    cam = results["gradcam"]
    fitted = cam["rule"]
    text = (f"The verdicts come from one written rule, a multinomial logistic regression on {fitted['statistics']} statistics of the probes, "
            f"fitted on {plural(fitted['errors'], 'error')} on the validation splits of {fitted['phantoms']} phantoms, where the causes are "
            "planted, and the same for every data set.")
    score = cam.get("score")
    if not score:
        return text + (" On other data its score is not known: the phantom's pictures are not photographs, and a verdict here is a "
                       "hypothesis with its evidence, no proof.")
    macro, called = score["acting"]["macro recall"], score["acting"]["called"]
    causes = listed([f"{readable(cause)} {share(score['acting'][f'recall {cause}'])}" for cause in score["causes"]])
    strict = score["strict"]["macro recall"]
    return (f"{text}\n\nIts score, on the confirmation halves of {plural(score['phantoms'], 'phantom')} with networks of their own "
            f"({plural(score['errors'], 'error')}): it finds {share(macro)} of the planted causes on average over the four "
            f"({causes}), where the wrong prediction is the class that the cause points at. {worst(score)} Of errors without a planted cause "
            f"{share(called)} get one nevertheless: {aim(macro, called)} Where a planted cause does not point at the predicted class, the error "
            f"has some other reason, which nobody recorded; counted as planted all the same, the mean is {share(strict)}.")


def share(entry: dict) -> str:
    return f"{percent(entry['estimate'], 0)} ({interval(percent(entry['low'], 0), percent(entry['high'], 0))})"


def aim(macro: dict, called: dict) -> str:
    """Whether the aims were reached, which are 90% recall and 5% called."""
    reached = [macro["estimate"] >= 0.9, called["estimate"] <= 0.05]
    words = {(True, True): "both aims, 90% and 5%, are reached.", (True, False): "the aim of 90% is reached, that of 5% is not.",
             (False, True): "the aim of 5% is reached, that of 90% is not.", (False, False): "the aims, 90% and 5%, are not reached."}
    return words[tuple(reached)]


def worst(score: dict) -> str:
    """The instrument's most frequent confusion, and one case of it."""
    confused = score["worst"]
    if not confused["errors"]:
        return ""
    return (f"Its most frequent mistake is to call {readable(confused['planted'])} {readable(confused['diagnosed'])}, {confused['errors']} times"
            + (f" (test image {confused['id']} of this study, {name(confused['true'])} taken for {name(confused['predicted'])}: "
               f"{confused['sentence']})" if confused.get("id") is not None else "") + ".")


def halves(results: dict) -> str:
    numbers = results["gradcam"]["halves"]
    return (f"Cases are chosen on the discovery half of the test split ({count(numbers['discovery'])} errors of "
            f"{name(results['gradcam']['before'])}), the shares of causes are counted on the other, the confirmation half "
            f"({count(numbers['confirmation'])}). The effects of single probes are over all errors.")
