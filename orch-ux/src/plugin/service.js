// Finds the service of the project, has it started when there is none, and speaks to it. The plugin decides nothing by
// itself: what a run may do, what a gate allows and what a command means is asked here.

import { spawn } from "node:child_process"
import fs from "node:fs"

const FIRST_PAUSE = 200
const LONGEST_PAUSE = 5000

/** What the service, or the way to it, had to say: a stable code, what is wrong, and the way out. */
export class ServiceError extends Error {
  constructor({ code, message, help }) {
    super(message)
    this.code = code
    this.help = help
  }
}

/**
 * The service of the project in `directory`; `command` is the `orch` to start it with. Nothing is started before the
 * first call, and a service that has ended meanwhile is found, or started, again. `greet` is given the `post` of every
 * service that is found, before anything else is asked there.
 */
export function connect({ command, directory, greet = () => {} }) {
  let known
  let greeted

  const find = () => {
    known ??= locate(command, directory).then(
      (found) => {
        if (found.token !== greeted) greet(async (path, body) => read(await request(found, path, content("POST", body))))
        greeted = found.token
        return found
      },
      (error) => {
        known = undefined
        throw error
      },
    )
    return known
  }

  const send = async (path, init, signal) => {
    for (let again = true; ; again = false) {
      const found = find()
      const there = await found
      try {
        const response = await request(there, path, { ...(await init()), signal })
        // Whoever does not know the token is another service in its place.
        if (response.status !== 401 || !again) return response
      } catch (error) {
        // Nobody listens there any more. A request that arrived would have been answered.
        if (signal?.aborted || !again) throw error
      }
      if (known === found) known = undefined
    }
  }

  /** A body that is a function is made anew for each service that it goes to. */
  const call = async (method, path, body, signal) =>
    read(await send(path, async () => content(method, typeof body === "function" ? await body() : body), signal))

  /**
   * Tells every event until `signal` aborts, across restarts of the service; `missed` where some are missing. `action` is told
   * what the service wants done in front of the person.
   */
  const follow = async (signal, { event = () => {}, missed = () => {}, status = () => {}, action }) => {
    let pause = FIRST_PAUSE
    let last
    while (!signal.aborted) {
      try {
        const query = new URLSearchParams({ ...(last && { from: last }), ...(action && { actions: "true" }) })
        const path = `/v1/events?${query}`
        const response = await send(path, () => ({ method: "GET", headers: { accept: "text/event-stream" } }), signal)
        if (!response.ok) throw new Error(`HTTP ${response.status}`)
        status("live")
        pause = FIRST_PAUSE
        // What happened while nobody listened may be anything.
        missed()
        for await (const frame of frames(response.body)) {
          last = frame.id ?? last
          if (frame.event === "event") event(frame.data)
          else if (frame.event === "action") action?.(frame.data)
          else if (frame.event === "gap") missed()
        }
      } catch (error) {
        if (signal.aborted) return
        status("down", error)
      }
      await sleep(pause, signal)
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    }
  }

  return {
    get: (path, signal) => call("GET", path, undefined, signal),
    post: (path, body = {}, signal) => call("POST", path, body, signal),
    remove: (path) => call("DELETE", path),
    follow,
  }
}

const content = (method, body) =>
  body === undefined ? { method } : { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }

const request = ({ url, token }, path, init) =>
  fetch(url + path, { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } })

async function read(response) {
  const text = await response.text()
  const answer = text ? JSON.parse(text) : undefined
  if (!response.ok) throw new ServiceError(answer ?? { code: "orch::plugin::answer", message: `HTTP ${response.status}` })
  return answer
}

/** `orch serve --detach` tells where the service is. Its output never reaches the screen. */
function locate(command, directory) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, ["serve", "--detach", "--json", "--dir", directory], {
      cwd: directory,
      stdio: ["ignore", "pipe", "ignore"],
    })
    let told = ""
    child.stdout.on("data", (chunk) => (told += chunk))
    child.on("error", (error) =>
      reject(
        new ServiceError({
          code: "orch::plugin::no-command",
          message: `cannot start ${command}: ${error.message}`,
          help: "run `orch install` again",
        }),
      ),
    )
    child.on("close", () => {
      try {
        const { error, url, file } = JSON.parse(told)
        if (error) throw new ServiceError(error)
        resolve({ url, token: JSON.parse(fs.readFileSync(file, "utf8")).token })
      } catch (error) {
        reject(error)
      }
    })
  })
}

/** The frames of a stream of server-sent events whose data is JSON. */
async function* frames(body) {
  const decoder = new TextDecoder()
  let text = ""
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true })
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const frame = {}
      for (const line of text.slice(0, end).split("\n")) {
        const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? []
        if (name === "data") frame.data = (frame.data ?? "") + value
        else if (name) frame[name] = value
      }
      if (frame.data === undefined) continue
      frame.data = JSON.parse(frame.data)
      yield frame
    }
  }
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true })
  })
}
