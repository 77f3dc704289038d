import test from "ava"
import { Redactor } from "../../provider/rpc/redact.ts"
import { Secret } from "../../provider/secret.ts"

const TOLD: [what: string, given: string | Secret<string>, text: string, seen: string][] = [
  [
    "a password in an address",
    "https://anna:hunter2@example.org/deb",
    "anna: 401 of https://anna:hunter2@example.org/deb with hunter2",
    "anna: 401 of https://[secret]@example.org/deb with [secret]",
  ],
  [
    "a password that is percent-encoded there",
    "https://anna:hunter%402@example.org",
    "hunter%402 is hunter@2",
    "[secret] is [secret]",
  ],
  ["one that is not well encoded", "https://anna:hunter%zz@example.org", "hunter%zz", "[secret]"],
  ["a token in the place of a user", "https://ghp_0123456789@example.org", "ghp_0123456789", "[secret]"],
  ["a user without a password", "ssh://root@example.org", "you are not root", "you are not root"],
  ["an @ in a path", "https://example.org/anna:friend@home", "friend", "friend"],
  [
    "a password in an address that is a secret itself",
    new Secret("https://anna:hunter2@example.org"),
    "401 with hunter2 of https://anna:hunter2@example.org",
    "401 with [secret] of [secret]",
  ],
]
for (const [what, given, text, seen] of TOLD)
  test(`what leaves the provider shows no password that it was given: ${what}`, t => {
    const redactor = new Redactor()
    redactor.learn({ list: [{ url: given }] })
    t.is(redactor.redact(text), seen)
  })
