// Loaded by every OpenCode server that orch starts. It blanks the server's own password for the shells of agents, and
// applies the temperature of the worker profile. No dependencies, no network, no logic of its own.
export const OrchGuard = async () => ({
  "shell.env": async (_input, output) => {
    output.env.OPENCODE_SERVER_PASSWORD = ""
    output.env.OPENCODE_SERVER_USERNAME = ""
    output.env.ORCH_TEMPERATURE = ""
  },
  "chat.params": async (_input, output) => {
    const temperature = Number.parseFloat(process.env.ORCH_TEMPERATURE ?? "")
    if (Number.isFinite(temperature)) output.temperature = temperature
  },
})
