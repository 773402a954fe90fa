"""What every room leans on, without torch: `artefacts` (atomic, checked files), `config` (checked
parameters), `errors`, `log`, `signals` (stopping by SIGINT and SIGTERM), `random` (randomness by
counter), `code` (what a run's key knows of the source), `checks` (of array arguments), `text`
(wording)."""
