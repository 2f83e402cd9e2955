import type { Schemas } from '@/api/client.ts'
import { readDefinition } from '@/saga/text.ts'

export type Service = Schemas['SagaService']

/** Binding is where a service of a state machine is. */
export interface Binding {
  readonly kind: 'call' | 'worker' | 'message'
  /** The address, the name of the task, or the topic. */
  readonly target: string
  readonly method: string
  readonly reply: string
}

export const noBinding: Binding = { kind: 'call', target: '', method: 'POST', reply: '' }

/** Bindings are by the names of services; '' is for all that are not named. */
export type Bindings = Readonly<Record<string, Binding>>

// The same that the server looks for.
const keys = /"(States|StartState|nodes|StateMachine)"\s*:/
const ours = /"saga"\s*:\s*[0-9]/
const enveloped = /^\s*\{\s*"(seata|bindings)"\s*:\s*"/

/** languageOf says in which language a text is meant to be. */
export function languageOf(text: string): 'seata' | 'concord' {
  const trimmed = text.trimStart()
  if (!trimmed.startsWith('{')) return 'concord'
  return enveloped.test(trimmed) || (keys.test(trimmed) && !ours.test(trimmed)) ? 'seata' : 'concord'
}

/** sourceOf takes the text of a machine and its bindings apart, if they are one text. */
export function sourceOf(text: string): { machine: string; bindings: string } {
  if (enveloped.test(text)) {
    try {
      const envelope = JSON.parse(text) as { seata?: unknown; bindings?: unknown }
      if (typeof envelope.seata === 'string') {
        return {
          machine: envelope.seata,
          bindings: typeof envelope.bindings === 'string' ? envelope.bindings : '',
        }
      }
    } catch {
      // The server will say what is wrong with it.
    }
  }
  return { machine: text, bindings: '' }
}

/** textWith is a machine and its bindings as one text, as the server takes it. */
export function textWith(machine: string, bindings: string): string {
  return bindings === '' ? machine : JSON.stringify({ seata: machine, bindings })
}

/** bindingsText writes bindings as the server reads them; '' if there are none. JSON is YAML, too. */
export function bindingsText(bindings: Bindings): string {
  const named: Record<string, unknown> = {}
  let other: unknown
  for (const [name, binding] of Object.entries(bindings)) {
    if (binding.target.trim() === '') continue
    if (name === '') other = targetOf(binding)
    else named[name] = targetOf(binding)
  }
  const all = {
    ...(other ? { default: other } : {}),
    ...(Object.keys(named).length > 0 ? { bindings: named } : {}),
  }
  return Object.keys(all).length > 0 ? JSON.stringify(all, null, 2) : ''
}

function targetOf({ kind, target, method, reply }: Binding): unknown {
  const to = target.trim()
  if (kind === 'worker') return { worker: to }
  if (kind === 'message') return { message: { topic: to, ...(reply.trim() ? { reply: reply.trim() } : {}) } }
  return { call: { url: to, ...(method === 'POST' ? {} : { method }) } }
}

/** bindingsOf reads bindings into the form; what the form cannot show, such as headers, is undefined. */
export function bindingsOf(text: string): Bindings | undefined {
  if (text.trim() === '') return {}
  const read = readDefinition(text)
  if (!read) return undefined
  const out: Record<string, Binding> = {}
  const named = (read['bindings'] as Record<string, unknown> | null) ?? {}
  const all = { ...named, ...(read['default'] ? { '': read['default'] } : {}) }
  for (const [name, value] of Object.entries(all)) {
    const binding = bindingOf(value)
    if (!binding) return undefined
    out[name] = binding
  }
  return out
}

function bindingOf(value: unknown): Binding | undefined {
  const found = value as {
    call?: Record<string, unknown>
    worker?: unknown
    message?: Record<string, unknown>
  } | null
  if (!found || Object.keys(found).length !== 1) return undefined
  const { call, worker, message } = found
  if (typeof worker === 'string') return { ...noBinding, kind: 'worker', target: worker }
  const only = (of: Record<string, unknown>, names: string[]) =>
    Object.keys(of).every((key) => names.includes(key))
  if (call && only(call, ['url', 'method'])) {
    return { ...noBinding, target: String(call['url'] ?? ''), method: String(call['method'] ?? 'POST') }
  }
  if (message && only(message, ['topic', 'reply'])) {
    const { topic = '', reply = '' } = message
    return { ...noBinding, kind: 'message', target: String(topic), reply: String(reply) }
  }
  return undefined
}

/** nameOf is what a definition is called, as far as that can be read. */
export function nameOf(text: string): string {
  const read = readDefinition(sourceOf(text).machine)
  const name = read?.['name'] ?? read?.['Name']
  return typeof name === 'string' ? name : ''
}

/** fileName is what an export is called. */
export function fileName(saga: string, version: number, language: string | undefined, text: string): string {
  const json = language === 'seata' || text.trimStart().startsWith('{')
  return `${saga}@${version}.${json ? 'json' : 'yaml'}`
}
