import test from "ava"
import { type Goal, goalText, verdict } from "../../scripts/bench/row.ts"
import { shares } from "../../scripts/bench/xenHost/watch.ts"

const goals: [goal: Goal, text: string, is: "met" | "missed"][] = [
  [{ value: 1.3, most: 1.3 }, "at most 1.3", "met"],
  [{ value: 1.301, most: 1.3 }, "at most 1.3", "missed"],
  [{ value: 0.9, least: 1 }, "at least 1", "missed"],
  [{ value: 1, least: 1 }, "at least 1", "met"],
  [{ value: 1.004, most: 1, words: "s more" }, "at most 1 s more", "missed"],
  [{ value: Number.NaN, most: 1 }, "at most 1", "missed"],
]
for (const [goal, text, is] of goals) {
  test(`a goal of "${text}" is ${is} by ${goal.value}`, t => {
    t.is(goalText(goal), text)
    t.is(verdict(goal), is)
  })
}

test("what is waited for lasts until whatever comes next; all the rest of an up is ours, its start and its end too", t => {
  const moments = [
    { what: "Packages before its first line", at: 2 },
    { what: "fetching the lists of packages", at: 3 },
    { what: 'Keep "Linux" the entry that boots (1 of 2)', at: 5 },
    { what: "Install xen (2 of 2)", at: 6 },
    { what: "Install xen (2 of 2): unpacking xen, 1 s", at: 7 },
    { what: "looking whether the host is as wanted", at: 10 },
    { what: "waiting for the machine to restart, 0 s", at: 12 },
    { what: "waiting for the machine to restart, 1 s", at: 13 },
    { what: "pulumi's end", at: 20 },
  ]
  const others = { packages: /^Install |^fetching/, boots: /^waiting for the machine/ }
  const { theirs, ours, total } = shares(moments, 21, others)
  t.deepEqual(
    [...theirs],
    [
      ["packages", 6],
      ["boots", 8],
    ],
  )
  t.deepEqual(Object.fromEntries(ours), {
    "pulumi's start": 2,
    "Packages before its first line": 1,
    'Keep "Linux" the entry that boots': 1,
    "looking whether the host is as wanted": 2,
    "pulumi's end": 1,
  })
  t.is(total, 21)
})
