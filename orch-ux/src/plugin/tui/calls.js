// What the service asks for where a person sits: to call them, and to tell in the prompt what they may type.

/** The sound of OpenCode for each reason to call. */
const SOUNDS = { decision: "question", permission: "permission", question: "question", success: "done", failure: "error" }

/** What does such a thing, once. */
export function calls(api, failed) {
  const acts = {
    // Whether it rings, and whether the desktop tells, is what the person has chosen under `attention` in `tui.json`.
    attention: ({ message, call }) => api.attention?.notify({ title: "orch", message, sound: { name: SOUNDS[call] } }),
    // Only into the prompt, and only where nothing is being written.
    "prompt-hint": ({ text }) => {
      const editor = api.renderer.currentFocusedEditor
      if (api.mode.current() !== "base" || api.ui.dialog.open || editor?.plainText !== "") return
      editor.insertText(text)
      editor.gotoBufferEnd()
    },
  }
  return async (action) => {
    try {
      await acts[action.action]?.(action)
    } catch (error) {
      failed(error)
    }
  }
}
