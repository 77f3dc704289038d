// Loaded before a program by `nodeargs` of its Pulumi.yaml: an `up` with nothing to do takes a quarter less.
const { createRequire, enableCompileCache } = require("node:module")
const { homedir } = require("node:os")
const { join } = require("node:path")

// What Node has compiled, and stripped of its types, is kept for the next run in the provider's own cache.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache")
enableCompileCache(process.env.NODE_COMPILE_CACHE || join(cache, "pulumi-xen", "node"))

// @pulumi/pulumi takes some thirty stack traces for each resource, in case that a promise never settles, and prints them
// only where PULUMI_DEBUG_PROMISE_LEAKS asks for them: there they are taken, and nowhere else.
const debuggable = require("@pulumi/pulumi/runtime/debuggable.js")
const { debuggablePromise, debugPromiseLeaks } = debuggable
if (!debugPromiseLeaks)
  debuggable.debuggablePromise = (promise, context) => {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    try {
      return debuggablePromise(promise, context)
    } finally {
      Error.stackTraceLimit = stackTraceLimit
    }
  }

// It has every frame of the others looked up in source maps. A program that Node runs as it stands has none. One that was
// compiled can have them read by Node itself, with --enable-source-maps among its `nodeargs`.
createRequire(require.resolve("@pulumi/pulumi"))("source-map-support").install = () => {}

// It also starts V8's debugger, for functions that become resources. These start it themselves when there are any.
require("@pulumi/pulumi/runtime/closure/v8Hooks.js").isInitializedAsync = async () => {}

// And it loads all that the flag --tracing needs, a sixth of its start. Without that flag its spans are nobody's.
if (!process.argv.some(argument => argument.startsWith("--tracing"))) {
  const tracing = require.resolve("@pulumi/pulumi/cmd/run/tracing.js")
  const { trace } = createRequire(tracing)("@opentelemetry/api")
  const newSpan = name => trace.getTracer("nodejs-runtime").startSpan(name)
  require.cache[tracing] = { id: tracing, filename: tracing, loaded: true, exports: { newSpan } }
}
