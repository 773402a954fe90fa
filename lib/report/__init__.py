"""What the report shows and says, by chapter, from numbers that other rooms computed: `training`
(set-up, limits), `brought` (examined arms), `failures` (errors, severity, suspected labels),
`cards` and `causes` (the diagnosis), `comparison` (arms, ablation), `claims`, `judgement`, `ledger`
and `conditions` (what is judged; `arithmetic` and `candidates` ask whether an earlier study's
numbers agree, and which arm they fit), `provenance` (where it comes from). `chapters` has the rest,
and puts them in order. `style`, `pictures` and `exhibits` draw and keep; `show` has the exhibits
that the notebooks make."""
