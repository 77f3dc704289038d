import test from "ava"
import { failedIn, redOf } from "../../scripts/test/red.ts"

const results = "  ✔ one\n  ✘ [fail]: two\n    ℹ a log\n  ✔ three\n"
const summary = "two\n\n  Difference (- actual, + expected):\n\n  - 1\n  + 2\n\n  ─\n\n  1 test failed"
const many = Array.from({ length: 100 }, (_, n) => `line ${n}`)

const cases: [sentence: string, output: string, told: string][] = [
  ["a run's summary is what follows the rule under its results", `${results}  ─\n\n  ${summary}\n`, summary],
  ["colours do not hide the rule", `${results}\u001b[90m  ─\u001b[39m\n\n  ${summary}\n`, summary],
  ["a rule that a test has logged is none", `  ✔ one\n  ─\n${results}  ─\n\n  ${summary}\n`, summary],
  [
    "a run that was ended before its summary is told by its last lines",
    many.join("\n"),
    many.slice(60).join("\n"),
  ],
  ["a run that said nothing has nothing to tell", "", ""],
]
for (const [sentence, output, told] of cases) test(sentence, t => t.is(redOf(output), told))

test("a run that is ended before its summary has failed where one of its results is not green", t => {
  t.is(failedIn(results), "  ✘ [fail]: two")
  t.is(failedIn(results.replace("✘", "\u001b[31m✘\u001b[39m")), "  \u001b[31m✘\u001b[39m [fail]: two")
  t.is(failedIn("  ✔ one\n    ✘ a log\n"), "")
})
