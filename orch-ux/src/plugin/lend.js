// Most people start plain `opencode`, which opens no port. So that the service can work on it all the same, a listener of
// our own, on the loopback and behind a password that is made up here, hands its requests to the server inside this
// process.

import crypto from "node:crypto"

/**
 * `greet` lends the server to a service. `lent` resolves to its name at the service that was greeted last, or to nothing
 * where it could not be lent: the tools still work then, on the host that the service has.
 */
export function lend(input, failed) {
  const { directory } = input
  const password = crypto.randomBytes(24).toString("base64url")
  const url = `http://127.0.0.1:${listen(input.client._client.getConfig(), password).port}`
  let lent
  return {
    greet: (post) => {
      lent = post("/v1/hosts", { url, username: "opencode", password, directory, plugin: true }).then(({ id }) => id, failed)
    },
    lent: () => lent,
  }
}

function listen(inner, password) {
  const wanted = "Basic " + Buffer.from(`opencode:${password}`).toString("base64")
  return Bun.serve({
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
}

function same(given, wanted) {
  const [one, other] = [given, wanted].map((text) => crypto.createHash("sha256").update(text).digest())
  return crypto.timingSafeEqual(one, other)
}
