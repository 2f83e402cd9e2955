import { readdirSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { Editing } from './editing.ts'
import { readSource, type Json } from './source.ts'
import { idsOf, insertStep, kinds, deleteStep, predecessors } from './steps.ts'

vi.setConfig({ testTimeout: 60_000 })

const dir = resolve(import.meta.dirname, '../../../../../examples/sagas')
const files = readdirSync(dir).filter((name) => /\.(yaml|json)$/.test(name))

/** pathsOf lists the paths of all values. */
function pathsOf(value: Json, at: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [at]
  const entries = Array.isArray(value) ? value.map((each, i) => [i, each] as const) : Object.entries(value)
  return [at, ...entries.flatMap(([key, each]) => pathsOf(each, [...at, key]))].filter(
    (path) => path.length > 0,
  )
}

/** changed is what the value has to be when something stands, or does not stand, at a path. */
function changed(value: Json, path: readonly (string | number)[], to: Json | undefined): Json {
  const copy = structuredClone(value)
  let holder = copy as Record<string | number, Json>
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string | number, Json>
  const last = path.at(-1)!
  if (to !== undefined) holder[last] = to
  else if (Array.isArray(holder)) (holder as unknown as Json[]).splice(Number(last), 1)
  else delete holder[last]
  return copy
}

const comments = (text: string): string[] => text.split('\n').filter((line) => line.trimStart().startsWith('#'))

describe.each(files)('%s', (name) => {
  const text = readFileSync(resolve(dir, name), 'utf8')
  const value = readSource(text).value!

  it('can be changed and lose anything anywhere', () => {
    for (const path of pathsOf(value)) {
      for (const to of ['a: "b" # c', { x: ['${y}', 1], z: {} }, 7, undefined]) {
        const editing = new Editing(text)
        editing.put(path, to as Json | undefined)
        expect([path, to, editing.source.problems]).toEqual([path, to, []])
        expect([path, editing.value]).toEqual([path, changed(value, path, to as Json | undefined)])
        if (to !== undefined) expect(editing.source.format).toBe(readSource(text).format)
      }
    }
  })

  it('takes steps of each kind behind each step, and loses them again', () => {
    for (const id of idsOf(value)) {
      for (const kind of kinds) {
        const editing = new Editing(text)
        const made = insertStep(editing, kind, { after: id })
        expect(editing.source.problems).toEqual([])
        expect(idsOf(editing.value)).toContain(made)
        expect(comments(editing.text)).toEqual(comments(text))
        if (kind === 'parallel') continue
        deleteStep(editing, made)
        for (const each of idsOf(value)) {
          expect([each, predecessors(editing.value, each)]).toEqual([each, predecessors(value, each)])
        }
      }
    }
  })
})
