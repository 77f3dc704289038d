// Loaded before a program by `nodeargs` of its Pulumi.yaml: an `up` with nothing to do takes a fifth less.
const { createRequire, enableCompileCache } = require("node:module")
const { homedir } = require("node:os")
const { join } = require("node:path")

// What Node has compiled, and stripped of its types, is kept for the next run in the provider's own cache.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache")
enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, "pulumi-xen", "node"))

// @pulumi/pulumi takes some thirty stack traces for each resource, in case that a promise never settles, and has every
// frame looked up in source maps. A program that Node runs as it stands has none. One that was compiled can have them
// read by Node itself, with --enable-source-maps among its `nodeargs`.
createRequire(require.resolve("@pulumi/pulumi"))("source-map-support").install = () => {}

// It also starts V8's debugger, for functions that become resources. These start it themselves when there are any.
require("@pulumi/pulumi/runtime/closure/v8Hooks.js").isInitializedAsync = async () => {}
