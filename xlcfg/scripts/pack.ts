// What npm pack runs around itself. Node strips no types under node_modules, so a published package holds
// JavaScript and declarations; in the repository the same exports name the sources.
import { execFileSync } from "node:child_process"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"

const root = join(import.meta.dirname, "..")
const manifest = join(root, "package.json")

function rewriteExports(rewrite: (file: string) => string): void {
  const fields = JSON.parse(readFileSync(manifest, "utf8"))
  for (const [name, file] of Object.entries<string>(fields.exports)) fields.exports[name] = rewrite(file)
  writeFileSync(manifest, `${JSON.stringify(fields, null, 2)}\n`)
}

const [step] = process.argv.slice(2)
rmSync(join(root, "dist"), { recursive: true, force: true })
if (step === "build") {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc")
  execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" })
  rewriteExports(file => file.replace(/^\.\/(?!dist\/)(.*)\.ts$/, "./dist/$1.js"))
} else rewriteExports(file => file.replace(/^\.\/dist\/(.*)\.js$/, "./$1.ts"))
