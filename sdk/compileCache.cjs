// Loaded before a program by `nodeargs` of its Pulumi.yaml: what Node has compiled, and stripped of its types, is kept
// for the next run in the provider's own cache. An `up` with nothing to do takes a twelfth less.
const { enableCompileCache } = require("node:module")
const { homedir } = require("node:os")
const { join } = require("node:path")

const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache")
enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, "pulumi-xen", "node"))
