import { describe, expect, it } from 'vitest'
import { maskText, piecesOf, prettyOf } from './json.ts'

describe('JSON for reading', () => {
  it('is indented, if it is JSON', () => {
    expect(prettyOf('{"a":1}')).toBe('{\n  "a": 1\n}')
    expect(prettyOf({ a: [1] })).toContain('  "a": [')
    expect(prettyOf('plain text')).toBe('plain text')
    expect(prettyOf('17')).toBe('17')
  })

  it('is taken apart without losing anything', () => {
    const text = prettyOf({ a: 'x "quoted" \\', n: -1.5e3, ok: true, none: null, list: [1, 'b'] })
    expect(
      piecesOf(text)
        .map((piece) => piece.text)
        .join(''),
    ).toBe(text)
  })

  it('tells keys from texts, and what is masked', () => {
    const kinds = piecesOf(prettyOf({ card: maskText, sum: 12, name: 'kim', ok: false }))
      .filter((piece) => piece.kind !== 'plain')
      .map((piece) => piece.kind)
    expect(kinds).toEqual(['key', 'masked', 'key', 'number', 'key', 'string', 'key', 'word'])
  })
})
