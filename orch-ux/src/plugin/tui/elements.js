// Elements of the terminal interface without a compiler: a property or a child that is a function follows its signals.

import { createElement, effect, insert, setProp } from "@opentui/solid"

export function element(tag, properties = {}, ...children) {
  const node = createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name === "ref") value(node)
    else if (typeof value === "function" && !name.startsWith("on")) effect((before) => setProp(node, name, value(), before))
    else setProp(node, name, value)
  }
  // The marker keeps one child that changes from taking the place of its neighbours.
  for (const each of children) insert(node, each, null)
  return node
}

export const box = (properties, ...children) => element("box", properties, ...children)
export const line = (properties, text) => element("text", properties, text)
