// Loaded by every OpenCode server that orch starts. It blanks the server's own password for the shells of agents, and
// applies the temperature of a worker profile: the one that orch left on the session when it made it, else the one of
// the whole server. No dependencies, no network, no logic of its own.
export const OrchGuard = async ({ client }) => ({
  "shell.env": async (_input, output) => {
    output.env.OPENCODE_SERVER_PASSWORD = ""
    output.env.OPENCODE_SERVER_USERNAME = ""
    output.env.ORCH_TEMPERATURE = ""
  },
  "chat.params": async (input, output) => {
    const session = await client.session.get({ path: { id: input.sessionID } })
    const wanted = session.data?.metadata?.orch?.temperature ?? process.env.ORCH_TEMPERATURE
    const temperature = Number.parseFloat(wanted ?? "")
    if (Number.isFinite(temperature)) output.temperature = temperature
  },
})
