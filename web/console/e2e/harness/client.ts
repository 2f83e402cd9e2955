/** An answer that was none of the good ones. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly body: string,
    request: string,
  ) {
    super(`${request}: ${status} ${code} ${body.slice(0, 600)}`)
  }
}

/** What came back, good or not. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

/** A client of the API. A body that is a text is sent as it is, everything else as JSON. */
export class Client {
  constructor(
    readonly base: string,
    private readonly token: string = '',
  ) {}

  /** Sends a request and gives back whatever comes. */
  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const all: Record<string, string> = { ...headers }
    if (this.token !== '') {
      all['Authorization'] = `Bearer ${this.token}`
    }
    const init: RequestInit = { method, headers: all, redirect: 'manual', signal: AbortSignal.timeout(60_000) }
    if (body !== undefined) {
      all['Content-Type'] ??= typeof body === 'string' ? 'application/yaml' : 'application/json'
      init.body = typeof body === 'string' ? body : JSON.stringify(body)
    }
    const answer = await fetch(this.base + path, init)
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  /** Sends a request to a path below /api/v1 and gives back what its answer says; fails with a Refusal. */
  async ask<T>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    const answer = await this.send(method, `/api/v1${path}`, body, headers)
    if (answer.status >= 400) {
      throw new Refusal(answer.status, codeOf(answer.text), answer.text, `${method} ${path}`)
    }
    return (answer.text === '' ? undefined : JSON.parse(answer.text)) as T
  }

  get<T>(path: string): Promise<T> {
    return this.ask<T>('GET', path)
  }

  post<T>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    return this.ask<T>('POST', path, body, headers)
  }

  put<T>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    return this.ask<T>('PUT', path, body, headers)
  }

  delete<T>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    return this.ask<T>('DELETE', path, body, headers)
  }
}

/** The code of a problem document; empty if it is none. */
export function codeOf(text: string): string {
  try {
    const code = (JSON.parse(text) as { code?: unknown } | null)?.code
    return typeof code === 'string' ? code : ''
  } catch {
    return ''
  }
}
