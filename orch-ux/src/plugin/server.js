// The half that runs inside the OpenCode server: it lends the server to the service of the project, offers the tools and
// the agent by which a model delegates, and applies what requests have no place for.

import crypto from "node:crypto"

import { agent } from "./agent.js"
import { idle } from "./idle.js"
import { log } from "./log.js"
import { connect } from "./service.js"
import { temperature } from "./temperature.js"
import { tools } from "./tools.js"

/** Set in every OpenCode that belongs to a worker: a worker must not start workflows of its own. */
const GUARD = "ORCH_WORKER"
/** OpenCode does not start before it knows its agents: how long it waits for the service, in milliseconds. */
const PATIENCE = 3000

export default {
  id: "orch",
  server: async (input, options = {}) => {
    if (process.env[GUARD]) return {}
    const { directory } = input
    const service = connect({ command: options.command ?? "orch", directory })
    // Not lent, the tools still work: on the host that the service has.
    const lent = lend(input, service, directory).catch((error) => void log(directory, "lend the server", error))
    const settings = within(PATIENCE, service.get("/v1/plugin")).catch((error) => {
      log(directory, "ask for the settings of the plugin", error)
      return {}
    })
    return {
      ...tools(service, lent),
      ...agent(settings),
      ...temperature(input.client),
      ...idle(input.client, settings, (error) => log(directory, "tell that a session rests", error)),
      // The password of the server is not for the commands of its agents.
      "shell.env": async (_, output) => {
        output.env.OPENCODE_SERVER_PASSWORD = ""
        output.env.OPENCODE_SERVER_USERNAME = ""
      },
    }
  },
}

/**
 * Most people start plain `opencode`, which opens no port. So that the service can work on it all the same, a listener
 * of our own, on the loopback and behind a password that is made up here, hands its requests to the server inside this
 * process.
 */
async function lend(input, service, directory) {
  const inner = input.client._client.getConfig()
  const password = crypto.randomBytes(24).toString("base64url")
  const wanted = "Basic " + Buffer.from(`opencode:${password}`).toString("base64")
  const listener = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      if (!same(request.headers.get("authorization") ?? "", wanted)) return new Response(null, { status: 401 })
      const { pathname, search } = new URL(request.url)
      const headers = new Headers(request.headers)
      headers.delete("authorization")
      for (const [name, value] of new Headers(inner.headers)) if (name === "authorization") headers.set(name, value)
      const url = new URL(pathname + search, inner.baseUrl)
      headers.set("host", url.host)
      return inner.fetch(
        new Request(url, { method: request.method, headers, body: request.body, signal: request.signal }),
      )
    },
  })
  const url = `http://127.0.0.1:${listener.port}`
  const { id } = await service.post("/v1/hosts", { url, username: "opencode", password, directory, plugin: true })
  return id
}

function within(ms, promise) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

function same(given, wanted) {
  const [one, other] = [given, wanted].map((text) => crypto.createHash("sha256").update(text).digest())
  return crypto.timingSafeEqual(one, other)
}
