import createClient, { type Middleware } from 'openapi-fetch'
import type { components, paths } from './schema.ts'

/** Schemas are the shapes that web/openapi.yaml describes. Where it names no field as required, it may be absent. */
export type Schemas = components['schemas']

/** Refused is an answer that is not the wished one: the server's own problem document, or none at all. */
export class Refused extends Error {
  readonly status: number
  readonly code: string
  readonly detail: string
  readonly requestId: string
  readonly retryable: boolean
  /** The whole document, for problems with more to say, such as findings. */
  readonly body: Record<string, unknown>

  constructor(status: number, body: Record<string, unknown>) {
    super(String(body['title'] ?? `HTTP ${status}`))
    this.name = 'Refused'
    this.status = status
    this.body = body
    this.code = String(body['code'] ?? (status === 0 ? 'unreachable' : 'unknown'))
    this.detail = String(body['detail'] ?? '')
    this.requestId = String(body['requestId'] ?? '')
    this.retryable = body['retryable'] === true || status === 0
  }
}

let csrf = ''

/** setCSRF keeps the token that goes with what changes something. */
export function setCSRF(token: string): void {
  csrf = token
}

/** csrfHeaders are for requests that are made without the client. */
export function csrfHeaders(): Record<string, string> {
  return csrf ? { 'X-CSRF-Token': csrf } : {}
}

let forged: () => void = () => {}

/** whenForged has something done when the server says that the token is not the session's: somebody has signed in anew
 * in another tab. */
export function whenForged(act: () => void): void {
  forged = act
}

const guard: Middleware = {
  onRequest({ request }) {
    if (csrf && request.method !== 'GET') request.headers.set('X-CSRF-Token', csrf)
    return request
  },
  async onResponse({ response }) {
    if (response.status !== 403) return
    const problem = asBody(
      await response
        .clone()
        .json()
        .catch(() => undefined),
    )
    if (problem['code'] === 'requestForged') forged()
  },
}

/** api makes requests by the paths of web/openapi.yaml. Wrap each in [ask], which throws what is not a success. */
export const api = createClient<paths>({
  // Looked up at each call, so that tests can put another one in.
  fetch: (request: Request) => globalThis.fetch(request),
})
api.use(guard)

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** ask returns what was asked for, or throws a Refused. */
export async function ask<T>(request: Promise<Answer<T>>): Promise<NonNullable<T>> {
  let answer: Answer<T>
  try {
    answer = await request
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause
    throw unreachable(cause)
  }
  if (answer.response.ok) return answer.data as NonNullable<T>
  throw new Refused(answer.response.status, asBody(answer.error))
}

/** refusedOf reads the problem of an answer to a request that was made without the client. */
export async function refusedOf(response: Response): Promise<Refused> {
  return new Refused(response.status, asBody(await response.json().catch(() => undefined)))
}

function asBody(error: unknown): Record<string, unknown> {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {}
}

/** unreachable is the refusal that stands for no answer at all. */
export function unreachable(cause: unknown): Refused {
  return new Refused(0, { title: '', code: 'unreachable', detail: cause instanceof Error ? cause.message : '' })
}

/** idempotencyKey returns a fresh one, so that a request that is sent again by hand is carried out once. */
export function idempotencyKey(): string {
  return `console-${crypto.randomUUID?.() ?? Math.random().toString(36).slice(2)}`
}
