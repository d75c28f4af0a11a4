// The commands, their slash names and their keys.

const COMMANDS = [
  { name: "run", title: "Run a workflow", key: "<leader>j" },
  { name: "gate", title: "Answer the gate", key: "<leader>v" },
  { name: "continue", title: "Continue a run" },
  { name: "retry", title: "Retry the step" },
  { name: "skip", title: "Skip the step" },
  { name: "abort", title: "Abort a run" },
  { name: "pause", title: "Pause a run" },
  { name: "dashboard", title: "See everything", key: "<leader>o" },
  { name: "workers", title: "List workers", key: "<leader>w" },
  { name: "open", title: "Open a worker's session" },
  { name: "trace", title: "Trace a run", key: "<leader>z" },
  { name: "results", title: "Read all results" },
  { name: "output", title: "Read a result" },
  { name: "inbox", title: "See what waits for you" },
]
/** In the session of a worker only. */
const OF_WORKERS = [
  { name: "talk", title: "Talk to this worker", key: "<leader>k" },
  { name: "interrupt", title: "Interrupt this worker", key: "<leader>i" },
  { name: "parent", title: "Back to the parent session", key: "<leader>0" },
]
/** As long as nothing else is known. */
const PREFIX = "orchestrator."

/**
 * The keys in force, and as people read them: `ctrl+x v`. A default that the person has given to a command of OpenCode is
 * theirs: `taken` says which command has it.
 */
export function keysOf(api, options) {
  const theirs = api.tuiConfig?.keybinds?.bindings ?? []
  const alternatives = (key) => String(key).split(",")
  const [leader] = alternatives(theirs.find((each) => each.cmd === "leader")?.key ?? "ctrl+x")
  const readable = (key) => alternatives(key)[0].replace("<leader>", `${leader} `)
  const [bound, shown, taken] = [{}, {}, {}]
  for (const { name, key } of [...COMMANDS, ...OF_WORKERS]) {
    const other = key && !options.keys?.[name] && theirs.find((each) => alternatives(each.key).includes(key))
    if (other) taken[name] = `${readable(key)} runs ${other.cmd}`
    else bound[name] = options.keys?.[name] ?? key
    shown[name] = bound[name] ? readable(bound[name]) : `/orch-${name}`
  }
  return { bound, shown, taken }
}

/**
 * Registers the commands. They are there at once; whether they stay, and under which prefix, is for the configuration to
 * say, which `settings` resolves to.
 */
export function commands({ api, state, told, child, bound, taken, setOffered }, actions, settings) {
  const command = ({ name, title }, full) => ({
    name: full,
    title: `orch: ${title}`,
    desc: taken[name],
    category: "orch",
    namespace: "palette",
    ...(full === `orch.${name}` ? { slashName: `orch-${name}` } : {}),
    run: async () => {
      try {
        // A person may press a key the moment something is announced.
        await state.refresh()
        await actions[name]()
      } catch (error) {
        told(error, title)
      }
    },
  })
  const layer = (prefix, list, more) =>
    api.keymap.registerLayer({
      ...more,
      commands: list.flatMap((each) => [command(each, `orch.${each.name}`), { ...command(each, prefix + each.name), namespace: undefined }]),
      bindings: list.filter(({ name }) => bound[name]).map(({ name }) => ({ key: bound[name], cmd: `orch.${name}` })),
    })
  const register = (prefix) => [
    layer(prefix, COMMANDS),
    layer(prefix, OF_WORKERS, { enabled: () => child.session() !== undefined }),
  ]
  let layers = register(PREFIX)
  const follow = ({ commands }) => {
    if (commands?.prefix === PREFIX) return
    for (const remove of layers) remove()
    layers = commands ? register(commands.prefix) : []
    setOffered(Boolean(commands))
  }
  // Without an answer they stay, so that each can say what is wrong.
  settings.then(follow, () => {})
}
