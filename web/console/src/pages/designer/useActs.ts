import { useMemo, useRef, useState } from 'react'
import { useWords } from '@/i18n'
import type { Acts } from './acts.ts'
import type { Desk } from './desk.ts'
import type { Editing } from './editing.ts'
import { asMap, nodeAt, type Json, type Path } from './source.ts'
import {
  connect,
  deleteStep,
  disconnect,
  idsOf,
  insertStep,
  predecessors,
  renameCase,
  renameStep,
  stepOfEdge,
} from './steps.ts'
import { words } from './words.ts'

/** Maps that are gone when their last key is. */
const vanishing = new Set<string | number>(['retry', 'headers', 'output'])

/** useActs is what canvas and forms can do with a desk, and what is said of the newest to those who do not see it. */
export function useActs(
  desk: Desk,
  select: (id: string | undefined) => void,
  selected: string | undefined,
): { acts: Acts; said: string } {
  const t = useWords(words)
  const [said, say] = useState('')
  const latest = useRef({ t, selected, select })
  latest.current = { t, selected, select }
  const acts = useMemo((): Acts => {
    const edit = <T>(change: (editing: Editing) => T, words?: string): T | undefined => {
      if (desk.state.readOnly) return undefined
      if (desk.snapshot().source.problems.length > 0) {
        say(latest.current.t('notReadable'))
        return undefined
      }
      const out = desk.edit(change)
      if (words) say(words)
      return out
    }
    const put = (path: Path, value: Json | undefined) => {
      edit((e) => {
        const holder = path.slice(0, -1)
        const around = asMap(nodeAt(e.source.root, holder)?.toJSON() as Json | undefined)
        const last =
          value === undefined && vanishing.has(path.at(-2) ?? '') && around && Object.keys(around).length === 1
        e.put(last ? holder : path, value)
      })
    }
    return {
      edit,
      put,
      insert: (kind, spot) => {
        const id = edit((e) => insertStep(e, kind, spot))
        if (id === undefined) return
        latest.current.select(id)
        const { t: now } = latest.current
        say(spot?.after ? now('saidInserted', { id, after: spot.after }) : now('saidAppended', { id }))
      },
      remove: (id) => {
        const { value } = desk.snapshot().source
        const next = predecessors(value, id).map(stepOfEdge)[0] ?? idsOf(value).find((each) => each !== id)
        edit((e) => deleteStep(e, id), latest.current.t('saidDeleted', { id }))
        latest.current.select(next)
        focusStep(next)
      },
      rename: (from, to) => {
        edit((e) => renameStep(e, from, to), latest.current.t('saidRenamed', { from, to }))
        if (latest.current.selected === from) latest.current.select(to)
      },
      renameCase: (step, from, to) =>
        void edit((e) => renameCase(e, step, from, to), latest.current.t('saidRenamed', { from, to })),
      connect: (edge, to) => {
        const why = edit((e) => connect(e, edge, to))
        say(latest.current.t(why ? `no_${why}` : 'saidConnected', { from: edge, to }))
      },
      disconnect: (edge, to, refused) =>
        void edit(
          (e) => disconnect(e, edge, to, refused),
          latest.current.t('saidDisconnected', { from: edge, to }),
        ),
    }
  }, [desk])
  return { acts, said }
}

/** focusStep puts the focus on a step of the graph when it is drawn. */
function focusStep(id: string | undefined): void {
  if (id === undefined) return
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      document
        .querySelector<HTMLElement>(`.react-flow [data-path="${CSS.escape(id)}"]`)
        ?.focus({ preventScroll: true })
    }),
  )
}
