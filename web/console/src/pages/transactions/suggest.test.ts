import { describe, expect, it } from 'vitest'
import { accept, suggest, type Values } from './suggest.ts'

const values: Values = {
  app: ['shop', 'bank', 'workshop'],
  name: ['place order', 'pay'],
  saga: ['order'],
  group: [],
}

function texts(text: string, cursor = text.length): string[] {
  return suggest(text, cursor, values).items.map((item) => item.text)
}

describe('completion', () => {
  it('offers all words where none is begun', () => {
    expect(texts('')).toContain('status:')
    expect(texts('live ')).toContain('age>')
  })

  it('offers words by their begin, and values by any part of them', () => {
    expect(texts('st')).toEqual(['status:', 'stuck'])
    expect(texts('status:roll')).toEqual(['status:RollingBack', 'status:RolledBack'])
    expect(texts('app:shop live', 7)).toEqual(['app:shop', 'app:workshop'])
    expect(texts('name:pl')).toEqual(['name:"place order"'])
    expect(texts('age>1')).toEqual(['age>1m', 'age>15m', 'age>1h'])
    expect(texts('xid:1')).toEqual([])
  })

  it('does not offer what stands there already', () => {
    expect(texts('stuck')).toEqual([])
    expect(texts('saga:order')).toEqual([])
  })

  it('puts it in the place of the word at the cursor', () => {
    const where = suggest('live st app:shop', 7, values)
    expect(accept('live st app:shop', where, where.items[0]!)).toEqual({
      text: 'live status: app:shop',
      cursor: 12,
    })
    const flag = suggest('stu', 3, values)
    expect(accept('stu', flag, flag.items[0]!)).toEqual({ text: 'stuck ', cursor: 6 })
  })
})
