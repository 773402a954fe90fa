"""Does each fault's test fail when the guard against it is removed?

    python benchmarks/mutants.py [WORD in the fault]...

In the source a comment `# guard: name` stands above each guard. On a copy of the project one guard
at a time is changed, the fault's test is run, must fail, and the file is put back. The table in
docs/reliability.md has one row for each entry; tests/test_reliability.py holds the two and the
comments together.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
GUARD = re.compile(r"\s*# guard: (.*)")
# What takes the place of a guard that is removed: a statement of Python, or a line of the Makefile.
OUT, BLANK = "pass", ""


class Mutant(NamedTuple):
    """With the guard changed `test` must fail.

    `change` takes the place of the guard; a pair is a text that stands in it once, and what takes
    the place of that. There Python is as ast.unparse writes it, however the source is formatted.
    """

    fault: str
    test: str
    guard: str
    change: str | tuple[str, str]


MUTANTS = [
    Mutant(*row)
    for row in (
        # --- killed and stopped
        (
            "`kill -9` at the first, a middle or the last step of an epoch, or between two",
            "test_resume.py::test_a_killed_run_goes_on_and_ends_with_the_same_bits",
            "optimizer-goes-on",
            OUT,
        ),
        (
            "`kill -9` again and again",
            "test_resume.py::test_a_run_killed_again_and_again_ends_with_the_same_bits",
            "totals-go-on",
            "state.seconds = found['seconds']",
        ),
        (
            "a run that drops units at random is interrupted",
            "test_resume.py::test_a_run_that_drops_units_at_random_goes_on_with_the_same_bits",
            "dropout-by-counter",
            OUT,
        ),
        (
            "`kill -9` inside the writing of a checkpoint",
            "test_artefacts.py::test_kill_9_inside_a_checkpoint_leaves_one_that_is_whole",
            "previous-checkpoint",
            "newest.unlink()",
        ),
        (
            "`kill -9` while a run is published",
            "test_resume.py::test_a_run_killed_while_it_is_published_is_published_again",
            "record-last",
            ("write_record(", "checkpoint.remove(state.folder)\nwrite_record("),
        ),
        (
            "SIGTERM or Ctrl-C inside a step",
            "test_resume.py::"
            "test_a_run_that_is_asked_to_stop_saves_after_the_step_and_goes_on_to_the_same_bits",
            "stop-is-deferred",
            "previous = {}",
        ),
        (
            "SIGTERM to make alone",
            "test_stopping.py::test_the_status_is_the_shells_for_the_signal[TERM make]",
            "shell-status",
            "sys.exit(1)",
        ),
        (
            "SIGINT to make alone",
            "test_stopping.py::test_nothing_trains_on[INT make]",
            "stop-with-make",
            OUT,
        ),
        (
            "`kill -9` of make",
            "test_stopping.py::test_nothing_trains_on[KILL make]",
            "end-with-make",
            ("REPORT_MAKE=$$PPID exec ", ""),
        ),
        (
            "`kill -9` of make before its job asks to end with it",
            "test_stopping.py::test_a_process_whose_parent_is_gone_before_it_asks_ends_as_well",
            "parent-gone-before",
            OUT,
        ),
        (
            "the parent ends where the system sends no signal for it (not Linux)",
            "test_stopping.py::"
            "test_a_child_ends_with_its_parent_by_the_system_or_by_looking[darwin]",
            "look-for-the-parent",
            OUT,
        ),
        (
            "SIGTERM to the whole group: each job gets it twice",
            "test_stopping.py::test_a_second_wish_to_stop_does_not_break_into_the_first",
            "second-wish",
            OUT,
        ),
        (
            "SIGTERM to a job: its checkpoint",
            "test_stopping.py::test_a_checkpoint_is_saved_and_said[TERM make]",
            "leave-once",
            OUT,
        ),
        (
            "SIGTERM to the kernel alone, between two steps",
            "test_stopping.py::test_a_checkpoint_is_saved_and_said[TERM kernel]",
            "save-when-asked-to-stop",
            ("stopping or ", ""),
        ),
        (
            "Ctrl-C while modules are imported",
            "test_stopping.py::test_ctrl_c_while_the_modules_are_imported_is_no_traceback",
            "quiet-start",
            OUT,
        ),
        (
            "`nohup`",
            "test_stopping.py::test_what_is_ignored_from_the_start_stays_ignored",
            "ignored-stays-ignored",
            (" if signal.getsignal(number) != signal.SIG_IGN", ""),
        ),
        (
            "a stopped or failed stage",
            "test_execute.py::test_a_failing_notebook_stays_as_a_part_and_is_one_clear_line",
            "part-first",
            (".with_suffix('.part.ipynb')", ""),
        ),
        (
            "the kernel is killed, for want of memory say",
            "test_execute.py::test_a_killed_kernel_is_one_clear_line_and_keeps_the_part",
            "dead-kernel",
            "raise",
        ),
        (
            "two `make report` on one study",
            "test_stopping.py::test_a_second_make_on_the_same_run_is_refused_and_told_who_has_it",
            "one-writer",
            "held = open(path, 'a')",
        ),
        (
            "`kill -9` of the holder of a lock",
            "test_execute.py::"
            "test_a_second_writer_is_refused_with_the_holders_pid_and_free_after_kill_9",
            "one-writer",
            "held = os.fdopen(os.open(path.with_suffix('.held'), os.O_CREAT | os.O_EXCL))",
        ),
        # --- files
        (
            "an error, a signal or `kill -9` inside the writing of a file",
            "test_artefacts.py::test_kill_9_inside_a_write_leaves_the_old_file",
            "written-beside",
            "descriptor, temporary = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC), path",
        ),
        (
            "power lost after the renaming",
            "test_artefacts.py::test_the_content_is_on_the_disk_before_the_name_is",
            "content-before-name",
            OUT,
        ),
        (
            "a full disk",
            "test_artefacts.py::test_a_full_disk_leaves_the_old_file_and_says_so",
            "full-disk",
            OUT,
        ),
        (
            "a full disk while papermill writes",
            "test_execute.py::test_a_disk_that_fails_is_one_clear_line",
            "disk-of-papermill",
            "raise",
        ),
        (
            "a device, a pipe or a folder where a file should go",
            "test_artefacts.py::test_what_is_no_regular_file_is_never_replaced",
            "regular-file",
            OUT,
        ),
        (
            "outputs that cannot be written to",
            "test_execute.py::test_a_read_only_folder_is_said_before_anything_runs",
            "outputs-writable",
            "raise",
        ),
        (
            "a truncated, empty, longer or bit-flipped file of a run",
            "test_artefacts.py::test_a_spoilt_file_of_a_run_is_refused_by_name",
            "file-sum",
            OUT,
        ),
        (
            "a changed record of a run",
            "test_artefacts.py::test_no_flipped_bit_of_a_record_goes_unnoticed",
            "record-sum",
            ("!= artefacts.digest(info)", "is None"),
        ),
        (
            "a damaged checkpoint",
            "test_artefacts.py::test_a_spoilt_checkpoint_is_named_and_the_one_before_is_used",
            "checkpoint-sum",
            OUT,
        ),
        (
            "a checkpoint of other parameters, data or code",
            "test_resume.py::test_a_checkpoint_of_other_parameters_is_not_used",
            "checkpoint-key",
            (" and checkpoint.get('key') == key", ""),
        ),
        (
            "a finished run of other parameters, data or code",
            "test_resume.py::test_a_run_of_another_key_is_not_finished",
            "run-key",
            "return run",
        ),
        (
            "runs of two data sets in one study",
            "test_artefacts.py::test_runs_of_other_data_are_not_compared",
            "same-data",
            OUT,
        ),
        (
            "a malicious checkpoint with the right sum",
            "test_artefacts.py::"
            "test_a_foreign_checkpoint_with_the_right_sum_is_refused_and_runs_nothing",
            "checkpoint-weights-only",
            ("weights_only=True", "weights_only=False"),
        ),
        (
            "a malicious array file",
            "test_artefacts.py::test_arrays_that_hold_objects_are_refused_unopened",
            "arrays-only",
            ("allow_pickle=False", "allow_pickle=True"),
        ),
        (
            "a malicious pickle in place of the data",
            "test_dataset.py::test_a_malicious_pickle_with_the_right_sum_runs_nothing",
            "three-names",
            "return super().find_class(module, name)",
        ),
        (
            "data that are not the official files",
            "test_dataset.py::test_a_file_with_the_wrong_sum_is_named_and_not_opened",
            "official-sum",
            OUT,
        ),
        (
            "data missing and no network",
            "test_dataset.py::"
            "test_missing_data_is_one_message_with_the_folder_the_files_and_a_way_out",
            "no-network",
            "raise",
        ),
        # --- parameters
        (
            "an unknown, missing or misspelt parameter",
            "test_config.py::test_a_misspelt_parameter_gets_a_suggestion",
            "strict-parameters",
            ("extra='forbid'", "extra='ignore'"),
        ),
        (
            "a value of the wrong type",
            "test_config.py::test_one_mistake_is_one_line_with_file_key_rule_and_value",
            "strict-parameters",
            ("strict=True", "strict=False"),
        ),
        (
            "NaN and infinity",
            "test_config.py::test_one_mistake_is_one_line_with_file_key_rule_and_value",
            "strict-parameters",
            ("allow_inf_nan=False", "allow_inf_nan=True"),
        ),
        (
            "a milestone after the last epoch",
            "test_config.py::test_one_mistake_is_one_line_with_file_key_rule_and_value",
            "milestones-inside",
            (" or any((milestone >= epochs for milestone in milestones))", ""),
        ),
        (
            "MixUp and CutMix of more batches than there are",
            "test_config.py::test_mixup_and_cutmix_share_the_batches",
            "mixed-once",
            OUT,
        ),
        (
            "CutMix with one class",
            "test_loop.py::test_cutmix_with_one_class_is_refused",
            "two-classes-for-cutmix",
            OUT,
        ),
        (
            "a key given twice",
            "test_config.py::test_a_key_given_twice_is_refused_with_its_line",
            "given-once",
            OUT,
        ),
        (
            "`1e-3`, `010`, `12:30`, dates in YAML",
            "test_config.py::test_scalars_mean_what_they_look_like",
            "decimal-numbers",
            ("|[0-9]+[eE][-+]?[0-9]+|", "|"),
        ),
        (
            "code in YAML",
            "test_config.py::test_code_in_yaml_is_refused_and_does_not_run",
            "safe-yaml",
            ("yaml.SafeLoader", "yaml.UnsafeLoader"),
        ),
        (
            "code in the name of a parameter",
            "test_execute.py::test_bad_parameters_never_reach_papermill_and_the_file_is_named",
            "known-names-only",
            ("config.check(stage, values, dict.fromkeys(values, str(file)))", "None"),
        ),
        (
            "names of studies and arms that are paths or code",
            "test_config.py::test_names_that_are_more_than_names_are_refused",
            "plain-names",
            "Name = str",
        ),
        (
            "such names in make",
            "test_preflight.py::test_names_that_are_more_than_names_are_refused_by_make",
            "plain-study-name",
            BLANK,
        ),
        (
            "a mistake in a later stage's parameters, after hours of training",
            "test_preflight.py::test_make_checks_the_study_first_and_again_when_it_changes",
            "checked-first",
            BLANK,
        ),
        (
            "hours of training that nobody asked for",
            "test_at_hand.py::test_a_long_training_is_named_and_nothing_begins",
            "nothing-long-unasked",
            OUT,
        ),
        (
            "a mistake in claims, cases or conditions",
            "test_preflight.py::test_the_files_that_a_study_names_are_read",
            "claims-read-first",
            OUT,
        ),
        (
            "an arm held against itself, or against one that there is not",
            "test_study_file.py::test_a_mistake_is_one_line_with_file_section_and_rule",
            "one-arm-against-nothing",
            OUT,
        ),
        (
            "a metadata file without a column of ids",
            "test_metadata.py::test_a_bad_file_is_one_line_with_its_name",
            "metadata-columns",
            OUT,
        ),
        (
            "an id given twice in a metadata file",
            "test_metadata.py::test_a_bad_file_is_one_line_with_its_name",
            "metadata-ids",
            OUT,
        ),
        (
            "two claims of one quantity with two verdicts",
            "test_ledger.py::test_one_quantity_has_one_verdict_and_one_fact_is_counted_once",
            "one-quantity-one-verdict",
            OUT,
        ),
        (
            "10,000 odd parameter files",
            "test_fuzz.py::test_a_parameter_file_is_refused_by_lines_or_all_of_it_is_allowed",
            "strict-parameters",
            ("extra='forbid'", "extra='ignore'"),
        ),
        (
            "damaged artefacts whose sums were made to fit",
            "test_fuzz.py::"
            "test_a_damaged_file_whose_sums_were_made_to_fit_is_refused_or_a_whole_run",
            "readable-table",
            "raise",
        ),
        (
            "foreign bytes in a checkpoint",
            "test_fuzz.py::test_a_damaged_checkpoint_is_passed_over_or_a_mapping_of_this_run",
            "checkpoint-foreign-bytes",
            "raise",
        ),
        # --- numbers
        (
            "a loss that is not finite",
            "test_resume.py::test_a_loss_that_is_not_finite_stops_the_run_before_the_update",
            "finite-loss",
            OUT,
        ),
        (
            "logits that are not finite",
            "test_artefacts.py::test_logits_that_are_not_finite_are_refused",
            "finite-logits",
            OUT,
        ),
        (
            "ties of confidence",
            "test_selective.py::test_risk_coverage_accepts_ties_together",
            "ties-together",
            "block_end = np.full(len(order), True)",
        ),
        (
            "a study of one arm",
            "test_made_up_report.py::test_one_arm_is_reported_and_nothing_is_compared",
            "one-arm-no-pair",
            OUT,
        ),
        # --- predictions that were brought
        (
            "brought table: rows that are probabilities beside rows that are not",
            "test_predictions_file.py::test_one_kind_of_numbers_holds_for_both_splits",
            "all-rows-probabilities",
            OUT,
        ),
        (
            "brought table: a column made of the others (a confidence)",
            "test_predictions_file.py::test_a_column_that_is_no_class_is_refused_by_name",
            "made-of-the-others",
            OUT,
        ),
        (
            "brought table: a column that programs leave over",
            "test_predictions_file.py::test_a_mistake_is_one_line",
            "left-over-column",
            OUT,
        ),
        (
            "brought table: two names of a class in an .npz",
            "test_predictions_file.py::test_a_mistake_in_an_npz_is_one_line",
            "one-name-a-class",
            OUT,
        ),
        (
            "brought table: two columns for a class",
            "test_predictions_file.py::test_a_mistake_is_one_line",
            "one-column-a-class",
            OUT,
        ),
        (
            "brought table: labels partly names, partly places",
            "test_predictions_file.py::test_labels_are_wholly_names_or_wholly_places",
            "wholly-names-or-places",
            OUT,
        ),
        (
            "brought table: decimal points and decimal commas",
            "test_predictions_file.py::test_a_mistake_is_one_line",
            "one-decimal-mark",
            OUT,
        ),
        (
            "brought table: an id given twice",
            "test_predictions_file.py::test_a_mistake_is_one_line",
            "id-given-twice",
            OUT,
        ),
        (
            "brought table: an id in val and in test",
            "test_predictions_file.py::test_a_mistake_is_one_line",
            "id-in-both-splits",
            OUT,
        ),
        (
            "brought arms: other classes",
            "test_matching.py::test_arms_that_do_not_belong_together_are_refused_in_one_line",
            "same-classes",
            OUT,
        ),
        (
            "brought arms: one with ids, one without",
            "test_matching.py::test_arms_that_do_not_belong_together_are_refused_in_one_line",
            "ids-or-none",
            OUT,
        ),
        (
            "brought arms: a validation row of one is a test row of the other",
            "test_matching.py::test_arms_that_do_not_belong_together_are_refused_in_one_line",
            "id-in-two-splits",
            OUT,
        ),
        (
            "brought arms: two labels of one id",
            "test_matching.py::test_a_label_that_differs_names_the_id_and_both_classes",
            "one-label-an-id",
            OUT,
        ),
        (
            "equal confidences that rounding parts",
            "test_degenerate.py::test_equal_confidences_are_one_block_whatever_the_class_and_the_order_of_rows",
            "equal-confidence",
            "confidence = confidence + 0",
        ),
        (
            "a probability written as the threshold that it is held against",
            "test_degenerate.py::test_a_probability_written_as_a_threshold_reaches_it",
            "tied-confidence",
            "drawn = np.zeros(len(near), bool)",
        ),
        # --- the machine
        (
            "CUDA or MPS asked for and absent",
            "test_machine.py::"
            "test_a_device_that_is_asked_for_and_absent_is_named_with_those_there_are",
            "device-there",
            OUT,
        ),
        (
            "bf16 asked for and not computed by the GPU",
            "test_machine.py::test_bf16_is_refused_where_it_would_be_emulated",
            "native-bf16",
            OUT,
        ),
        (
            "kernels whose sums vary",
            "test_machine.py::test_determinism_is_on_whatever_was_set_before",
            "deterministic-kernels",
            OUT,
        ),
        (
            "out of memory",
            "test_machine.py::test_out_of_memory_is_one_line_with_the_batch_size_to_try",
            "out-of-memory",
            "raise",
        ),
        (
            "no HOME, the C locale, closed stdin, blanks and letters beyond ASCII in paths",
            "test_surroundings.py::test_a_run_needs_no_home_no_locale_and_no_stdin",
            "utf-8",
            ("'utf-8'", "'ascii'"),
        ),
        (
            "a checkout that nothing may be written to",
            "test_surroundings.py::"
            "test_nothing_is_written_to_the_checkout_when_outputs_are_elsewhere",
            "study-folder",
            ("artefacts.ROOT", "((runs.ROOT / 'ran').touch() or runs.ROOT)"),
        ),
        (
            "a clock that jumps",
            "test_surroundings.py::test_a_clock_that_jumps_trains_nothing_again",
            "run-key",
            "return None",
        ),
        (
            "secrets in the environment",
            "test_surroundings.py::"
            "test_an_executed_notebook_tells_no_environment_and_no_place_but_where_it_was_sent",
            "record-last",
            (", info)", ", info | {'environment': dict(__import__('os').environ)})"),
        ),
        (
            "Jupyter open to the network",
            "test_surroundings.py::"
            "test_jupyter_listens_on_this_machine_alone_and_asks_for_its_token",
            "this-machine-alone",
            ("=localhost", "=0.0.0.0"),
        ),
        # --- networks that are brought
        (
            "a network whose norm stands before the convolution of its number",
            "test_gradcam.py::test_predictions_equal_a_plain_loops[PreActivation]",
            "own-network-folded",
            OUT,
        ),
        (
            "a layer of maps that runs twice an image",
            "test_gradcam.py::"
            "test_a_layer_that_runs_twice_is_refused_rather_than_its_last_run_shown",
            "layer-runs-once",
            OUT,
        ),
        (
            "a module without the function that is named",
            "test_network.py::test_a_name_that_leads_to_no_network_is_one_line",
            "factory-there",
            OUT,
        ),
        (
            "a factory that returns a list",
            "test_network.py::test_a_name_that_leads_to_no_network_is_one_line",
            "factory-gives-a-network",
            OUT,
        ),
        (
            "code of others changes threads, grad mode, dtype, folder, random states or "
            "what is printed",
            "test_network.py::test_what_an_import_or_a_factory_changes_is_put_back_and_known",
            "state-put-back",
            OUT,
        ),
        (
            "`blocks.py` was imported from elsewhere before",
            "test_network.py::"
            "test_a_module_of_the_name_that_is_already_there_is_neither_taken_nor_lost",
            "imported-from-elsewhere",
            "hidden = {}",
        ),
        (
            "two arms with a `blocks.py` each",
            "test_network.py::test_two_files_of_one_name_are_each_arms_own",
            "modules-forgotten",
            OUT,
        ),
        (
            "a last batch of one image, where the network's norms need two",
            "test_resume.py::test_a_last_batch_of_one_image_is_refused_before_anything_is_trained",
            "one-image-tried-first",
            OUT,
        ),
        (
            "a network trained here has 1,000 outputs for 20 classes",
            "test_intake.py::test_a_network_that_cannot_be_trained_on_the_data_is_one_line",
            "trained-on-its-classes",
            OUT,
        ),
        (
            "code in a file of weights",
            "test_weights.py::test_what_is_no_file_of_weights_is_one_line_with_the_cure",
            "brought-weights-only",
            ("weights_only=True", "weights_only=False"),
        ),
        (
            "a file that lacks a parameter",
            "test_weights.py::test_nothing_in_common_is_no_success",
            "every-weight-from-the-file",
            OUT,
        ),
        (
            "two sets of weights in one file",
            "test_weights.py::test_of_two_sets_the_arm_says_which",
            "one-set-of-weights",
            OUT,
        ),
        (
            "two tables of logits in what a network returns",
            "test_examination.py::test_what_is_no_table_of_logits_is_refused_with_its_shapes",
            "one-table-of-logits",
            (" and set(tables) <= {'logits'}", ""),
        ),
        (
            "a mean and deviation of pixels in 0..255",
            "test_examination.py::test_a_mean_or_deviation_of_other_pixels_is_refused",
            "pixels-in-0-to-1",
            "return None",
        ),
        (
            "a brought network with 1,000 outputs for 10 classes",
            "test_examination.py::test_what_is_no_table_of_logits_is_refused_with_its_shapes",
            "as-wide-as-the-classes",
            "return None",
        ),
        (
            "logits of a brought network that are not finite",
            "test_examination.py::test_logits_that_are_not_finite_are_counted",
            "brought-finite",
            "return None",
        ),
        (
            "dropout that is on in eval mode",
            "test_examination.py::test_other_logits_for_the_same_images_are_refused_by_how_much",
            "no-randomness",
            "return None",
        ),
        (
            "a network that uses its batch's own statistics",
            "test_examination.py::test_an_image_is_judged_alone_as_in_company",
            "whatever-the-company",
            "return None",
        ),
        (
            "a copy that runs the first network's forward",
            "test_examination.py::test_a_copy_must_be_its_own",
            "a-copy-is-its-own",
            OUT,
        ),
        (
            "a named layer that gives no map",
            "test_examination.py::test_a_layer_that_gives_no_map_is_refused_by_name",
            "layer-named-is-a-map",
            OUT,
        ),
        (
            "a map that is not finite on any image",
            "test_examination.py::test_a_map_that_says_nothing_is_never_drawn",
            "a-map-says-something",
            OUT,
        ),
        (
            "probabilities in place of logits",
            "test_examination.py::test_probabilities_are_refused_and_a_cosine_heads_logits_are_not",
            "no-probabilities",
            "return None",
        ),
        (
            "a network whose classes stand in another order",
            "test_examination.py::test_another_order_of_the_classes_is_seen",
            "order-of-classes",
            "return None",
        ),
        (
            "a head that is still random",
            "test_examination.py::test_a_head_that_is_still_random_is_found_by_building_twice",
            "two-builds-equal",
            OUT,
        ),
        (
            "a network that normalises its pictures once more",
            "test_examination.py::"
            "test_a_network_that_normalises_by_itself_is_warned_of_unless_the_arm_knows",
            "normalised-once",
            OUT,
        ),
        (
            "brought table: a softmax taken twice",
            "test_predictions_file.py::test_a_softmax_taken_twice_is_asked_about",
            "softmax-once",
            OUT,
        ),
        (
            "brought table: percentages, rounded ones too",
            "test_predictions_file.py::test_what_is_neither_is_refused",
            "no-percentages",
            OUT,
        ),
        (
            "brought table: minus the logarithms of probabilities",
            "test_predictions_file.py::test_minus_a_logarithm_is_refused_and_a_logit_of_0_is_not",
            "no-surprisals",
            OUT,
        ),
        (
            "brought table: outputs of a sigmoid",
            "test_predictions_file.py::test_what_no_rule_can_tell_is_said_with_what_to_bring",
            "sigmoid-is-told",
            "note = 'the numbers are logits'",
        ),
        (
            "brought table: equal probabilities at the limit of a conformal set",
            "test_conformal.py::test_equal_probabilities_of_a_table_are_inside_or_outside_together",
            "ties-are-inside",
            ("largest + ROUNDING", "largest"),
        ),
        (
            "a network whose last step is a sigmoid",
            "test_examination.py::test_a_sigmoid_at_the_end_is_refused_and_one_within_is_not",
            "no-sigmoid",
            "return None",
        ),
        (
            "a network that returns logarithms, shares or votes",
            "test_examination.py::test_what_values_alone_cannot_refuse_is_told",
            "another-unit",
            "return None",
        ),
        (
            "brought arms: a named case that no row has",
            "test_arms.py::test_named_cases_are_held_against_the_ids_of_what_is_brought",
            "brought-cases-first",
            OUT,
        ),
        (
            "a brought network that is refused",
            "test_intake.py::test_what_is_refused_leaves_no_run",
            "examined-first",
            OUT,
        ),
        # --- surroundings
        (
            "a user's matplotlibrc, IPython start-up file, kernelspec, variables and locale",
            "test_surroundings.py::test_no_setting_of_the_users_changes_a_byte",
            "own-kernel",
            "own = {}",
        ),
        (
            "variables that tell other programs what to do",
            "test_environment.py::test_what_is_foreign_goes_and_what_decides_nothing_stays",
            "foreign-variables",
            "kept = dict(variables)",
        ),
        (
            "a locale, a hash seed or a path of the user's",
            "test_environment.py::test_a_command_runs_in_neutral_surroundings_from_any_folder",
            "own-variables",
            OUT,
        ),
        (
            "BASH_ENV",
            "test_makefile.py::test_a_start_up_file_of_the_shells_reaches_no_recipe",
            "no-start-up-file",
            "SHELL := /bin/bash",
        ),
        (
            "an environment whose Python does not start",
            "test_makefile.py::test_an_environment_whose_python_does_not_start_is_not_done",
            "stamp-follows-python",
            BLANK,
        ),
        (
            "an environment without pip, or whose Python is gone",
            "test_environment.py::test_a_half_made_environment_is_made_anew_and_a_moved_one_works",
            "half-made-anew",
            OUT,
        ),
        (
            "an environment whose packages cannot be imported",
            "test_environment.py::test_an_environment_is_done_when_the_projects_imports_work",
            "stamp-follows-imports",
            OUT,
        ),
        (
            "`VENV` names a folder that is no environment",
            "test_environment.py::test_a_folder_that_is_no_environment_is_left_alone",
            "only-a-venv-is-emptied",
            OUT,
        ),
        (
            "a reader of the output that goes away, a full disk under the log",
            "test_log.py::test_a_reader_that_goes_away_or_a_full_disk_under_the_log_ends_nothing",
            "telling-never-fails",
            "return action()",
        ),
        (
            "too many open files, ports, loopback, out of memory, a full disk",
            "test_errors.py::test_what_comes_from_outside_is_one_line",
            "one-line-for-what-comes-from-outside",
            OUT,
        ),
        (
            "a file system that refuses chmod",
            "test_artefacts.py::test_a_file_system_that_refuses_chmod_keeps_the_content",
            "permissions-are-a-wish",
            "os.chmod(temporary, 0o666 & ~_umask())",
        ),
        (
            "a file system that flushes no file",
            "test_artefacts.py::test_a_file_system_without_a_flush_works_and_says_once_what_is_lost",
            "a-flush-is-a-wish",
            "raise",
        ),
        (
            "a file system without locks",
            "test_artefacts.py::test_a_file_system_without_locks_works_and_says_what_is_lost",
            "a-lock-is-a-wish",
            "raise",
        ),
        (
            "GIT_DIR, or a repository around the project's folder",
            "test_artefacts.py::test_the_commit_is_the_projects_own_whatever_git_variables_say",
            "own-commit",
            "told = dict(os.environ)",
        ),
        (
            "a link that leads back to its own folder",
            "test_identity.py::test_a_link_that_loops_is_walked_once",
            "walk-with-memory",
            OUT,
        ),
        (
            "a picture rewritten with the same size and time",
            "test_identity.py::test_any_change_of_a_picture_is_another_identity",
            "same-size-and-time",
            "return [told.st_size, told.st_mtime_ns]",
        ),
        (
            "pictures moved, added or removed after the report was made",
            "test_makefile.py::test_a_picture_that_changes_is_seen_by_make",
            "known-by-content",
            "return {}",
        ),
        (
            "a checkpoint of another machine under strict_resume",
            "test_resume.py::test_a_run_that_says_strict_resume_begins_anew_elsewhere",
            "begun-elsewhere",
            OUT,
        ),
        (
            "a finished run of another machine under strict_resume",
            "test_resume.py::test_a_finished_run_of_another_machine_is_used_unless_strict_resume_says_no",
            "finished-elsewhere",
            OUT,
        ),
        (
            "an active conda with libraries of its own",
            "test_environment.py::test_libraries_of_an_active_conda_are_not_loaded",
            "no-library-of-condas",
            "kept = folders.split(os.pathsep)",
        ),
        (
            "an environment that this user can neither run nor change",
            "test_environment.py::test_an_environment_of_another_user_is_left_alone",
            "an-environment-of-others",
            OUT,
        ),
        (
            "temporary folders of killed processes",
            "test_environment.py::test_what_a_killed_process_left_goes_with_the_next[killed]",
            "what-killed-processes-left",
            OUT,
        ),
        (
            "temporary folders of living processes",
            "test_environment.py::test_what_a_killed_process_left_goes_with_the_next[alive]",
            "alive-while-it-lives",
            OUT,
        ),
        (
            "REPORT_DEBUG=0, TENSORBOARD=0",
            "test_environment.py::test_no_means_no_in_every_flag",
            "no-means-no",
            OUT,
        ),
        (
            "a user's first drawing, on a slow machine",
            "test_execute.py::test_a_run_leaves_its_output_alone_also_without_stdin_and_in_the_c_locale",
            "no-word-of-fonts",
            OUT,
        ),
        (
            "nbconvert was installed for another Python, or by a user for himself",
            "test_export.py::test_a_nbconvert_of_another_python_brings_its_templates",
            "templates-of-nbconvert",
            "return super().get_prefix_root_dirs()",
        ),
        (
            "Windows without WSL",
            "test_checkout.py::test_windows_without_wsl_is_one_line",
            "not-windows",
            OUT,
        ),
        # --- pictures and names
        (
            "pictures: a file or folder whose name begins with a dot, at any depth",
            "test_picture_files.py::test_what_begins_with_a_dot_is_passed_over_at_every_depth",
            "hidden-at-every-depth",
            ("name[0] == '.'", "False"),
        ),
        (
            "pictures: files that are none, or in no class",
            "test_picture_files.py::test_what_is_passed_over_is_counted_in_one_line",
            "passed-over-counted",
            OUT,
        ),
        (
            "pictures: a link to a folder that is listed already",
            "test_picture_files.py::test_a_folder_that_is_reached_twice_is_refused_by_name",
            "no-folder-twice",
            OUT,
        ),
        (
            "pictures: one that is a thousand times longer than wide",
            "test_picture_files.py::test_memory_is_bounded_by_the_output",
            "memory-of-the-output",
            OUT,
        ),
        (
            "pictures: a Git LFS pointer, a web page or an empty file in place of one",
            "test_picture_files.py::test_what_stands_in_for_a_picture_is_named",
            "a-stand-in-is-named",
            OUT,
        ),
        (
            "pictures: files of train in another split",
            "test_own_images.py::test_files_that_train_has_as_well_are_counted",
            "repeated-files-are-told",
            OUT,
        ),
        (
            "pictures: a channel without variance",
            "test_dataset.py::test_a_channel_without_variance_is_divided_by_1",
            "a-channel-without-variance",
            OUT,
        ),
        (
            "pictures: folders that a system made between them (`__MACOSX`, `@eaDir`)",
            "test_picture_files.py::test_folders_that_a_system_made_hold_no_class_and_no_picture",
            "folders-of-systems",
            "return ''",
        ),
        (
            "pictures: a folder that cannot be read",
            "test_picture_files.py::test_a_folder_that_cannot_be_read_is_refused_by_name",
            "a-folder-that-cannot-be-read",
            OUT,
        ),
        (
            "pictures: a link to nothing, a pipe",
            "test_picture_files.py::test_names_without_a_file_behind_them_are_refused_together",
            "files-alone",
            OUT,
        ),
        (
            "pictures: a PNG that is damaged besides its pixels",
            "test_picture_files.py::test_a_picture_is_not_refused_for_what_is_not_its_pixels",
            "its-pixels-alone",
            OUT,
        ),
        (
            "pictures: a JPEG that lacks nothing but its end",
            "test_picture_files.py::test_a_jpeg_may_lack_its_end_and_nothing_else",
            "a-jpeg-without-its-end",
            OUT,
        ),
        (
            "pictures: a JPEG that lacks pixels",
            "test_picture_files.py::test_a_jpeg_may_lack_its_end_and_nothing_else",
            "no-pixel-of-what-follows",
            "return one",
        ),
        (
            "pictures: one of a hundred million pixels",
            "test_picture_files.py::test_a_large_jpeg_is_decoded_reduced",
            "large-ones-are-reduced",
            OUT,
        ),
        (
            "pictures: names with line breaks, escapes or foreign bytes",
            "test_picture_files.py::test_names_of_any_kind_are_told_in_one_line",
            "one-line-whatever-the-name",
            "super().__init__(message)",
        ),
        (
            "pictures: files and folders beside the splits",
            "test_own_images.py::test_folders_that_are_no_split_are_told",
            "what-is-no-split-is-told",
            OUT,
        ),
        (
            "pictures: one that repeats within its split, or in val and test",
            "test_own_images.py::test_files_that_repeat_within_a_split_or_in_val_and_test_are_counted",
            "repeated-files-are-told",
            "counts[split, 'train'] += 1",
        ),
        (
            "pictures: a pipe or a link to nothing, looked at by make",
            "test_identity.py::test_what_is_no_file_has_no_content_and_is_not_waited_for[nothing]",
            "content-of-files-alone",
            OUT,
        ),
        (
            "pictures: a class whose only picture is drawn for validation",
            "test_own_images.py::test_a_class_without_a_training_picture_is_told",
            "a-class-that-is-not-trained",
            OUT,
        ),
        (
            "names and ids in two Unicode forms",
            "test_predictions_file.py::test_names_and_ids_are_of_one_unicode_form",
            "one-unicode-form",
            "return str(name)",
        ),
        (
            "names of classes that look alike",
            "test_preflight.py::test_classes_that_may_be_one_are_told_first",
            "names-that-look-alike",
            "return []",
        ),
        (
            "a metadata file or a folder of strangers that cannot be read",
            "test_preflight.py::test_what_only_the_comparison_reads_is_read_first",
            "what-comparing-reads-first",
            OUT,
        ),
        (
            "a metadata file of other pictures",
            "test_preflight.py::test_what_only_the_comparison_reads_is_read_first",
            "metadata-of-these-pictures",
            OUT,
        ),
        (
            "a metadata file with semicolons or tabs",
            "test_metadata.py::test_the_mark_between_cells_is_that_of_the_header",
            "mark-of-the-header",
            OUT,
        ),
        (
            "names of classes that are written alike",
            "test_text.py::test_names_stay_distinct_whole_and_shortened",
            "names-stay-apart",
            "return _words(name)",
        ),
        (
            "names of classes that begin alike, over pictures and on axes",
            "test_text.py::test_names_stay_distinct_whole_and_shortened",
            "shortened-names-stay-apart",
            "text = _cut(text, length, 0)",
        ),
        (
            "names of classes that look like numbers",
            "test_explorer.py::test_verdicts_of_classes_that_look_like_numbers_are_read",
            "names-are-text",
            ("dtype=dict.fromkeys(TEXT, str), ", ""),
        ),
        (
            "a name in letters that no font of the machine has",
            "test_preflight.py::test_a_name_that_no_font_writes_is_told_first",
            "undrawn-names-are-told",
            OUT,
        ),
        (
            "such a letter in the PDF",
            "test_fonts.py::test_a_letter_without_a_font_is_said",
            "no-box-in-silence",
            OUT,
        ),
        (
            "the explorer's events in several threads of the kernel",
            "test_explorer_view.py::test_events_that_come_in_two_threads_are_handled_one_after_the_"
            "other",
            "one-event-at-a-time",
            ("with _TURN:", "if True:"),
        ),
        (
            "imports that set variables of their own",
            "test_environment.py::test_a_process_enters_once_whatever_its_imports_set",
            "enters-once",
            OUT,
        ),
    )
]


def guards(project: Path) -> list[tuple[str, Path, int]]:
    """Every guard's name, its file, and the number, from 1, of the line with its comment."""
    files = (project / "Makefile", *sorted((project / "lib").rglob("*.py")))
    lines = ((path, *line) for path in files for line in enumerate(_lines(path), 1))
    found = ((GUARD.fullmatch(line), path, number) for path, number, line in lines)
    return [(match[1], path, number) for match, path, number in found if match]


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")


def guarded(path: Path, comment: int) -> tuple[int, int, str, str]:
    """The guard below a comment: its first and last line, its indentation, and its text."""
    lines = _lines(path)
    if path.suffix != ".py":
        return comment + 1, comment + 1, "", lines[comment]
    nodes = (node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.stmt))
    node = min((node for node in nodes if node.lineno > comment), key=lambda node: node.lineno)
    return node.lineno, node.end_lineno, " " * node.col_offset, ast.unparse(node)


def changed(path: Path, comment: int, change: str | tuple[str, str]) -> str:
    """The file's text with a change to the guard below a comment."""
    lines, (first, last, indent, guard) = _lines(path), guarded(path, comment)
    new = _swapped(guard, *change) if isinstance(change, tuple) else change
    return "\n".join([*lines[: first - 1], textwrap.indent(new, indent), *lines[last:]])


def _swapped(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the guard:\n{text}")
    return text.replace(old, new)


def survives(project: Path, mutant: Mutant) -> str:
    """What became of the mutant: "" when its test failed as it must."""
    ((path, comment),) = [place for name, *place in guards(project) if name == mutant.guard]
    whole = path.read_text("utf-8")
    path.write_text(changed(path, comment, mutant.change), "utf-8")
    try:
        result = run(project, mutant.test)
    finally:
        path.write_text(whole, "utf-8")
    said = {0: "the test passes without the guard", 1: ""}
    if "KeyboardInterrupt" in result.stdout:
        return ""  # the Ctrl-C that the guard should have caught broke the test off
    return said.get(result.returncode, "the test did not run: " + result.stdout[-300:])


def file_of(test: str) -> str:
    return test.partition("::")[0]


def place(project: Path, test: str) -> Path:
    """The one file of that name, in whichever folder of tests/ it lies."""
    (found,) = (project / "tests").rglob(file_of(test))
    return found


def run(project: Path, *tests: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        *(str(place(project, test)) + test.removeprefix(file_of(test)) for test in tests),
    ]
    return subprocess.run(
        command,
        cwd=project,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )


def main(*words: str) -> int:
    began, bad, count = time.monotonic(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for part in (
            "Makefile",
            "lib",
            "notebooks",
            "params",
            "pyproject.toml",
            "released",
            "tests",
            "tools",
            *(path.name for path in ROOT.glob("requirements*.txt")),
        ):
            (shutil.copytree if (ROOT / part).is_dir() else shutil.copy2)(
                ROOT / part, project / part
            )
        for mutant in MUTANTS:
            if words and not any(word in mutant.fault for word in words):
                continue
            said, count = survives(project, mutant), count + 1
            bad += bool(said)
            print(f"{said or 'caught'}: {mutant.fault} ({mutant.test})", flush=True)
    print(
        f"{count - bad} of {count} tests fail when their guard is removed; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
