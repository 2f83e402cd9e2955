import { describe, expect, it } from 'vitest'
import {
  bindingsOf,
  bindingsText,
  fileName,
  languageOf,
  nameOf,
  noBinding,
  sourceOf,
  textWith,
} from './importing.ts'

const machine = '{"Name": "takeAway", "StartState": "Take", "States": {}}'

describe('the language of a text', () => {
  it.each([
    [machine, 'seata'],
    ['{"nodes": []}', 'seata'],
    ['{"seata": "{}"}', 'seata'],
    ['{"saga": 1, "name": "a", "StartState": 1}', 'concord'],
    ['saga: 1\nname: order', 'concord'],
    ['', 'concord'],
  ])('of %s is %s', (text, language) => expect(languageOf(text)).toBe(language))
})

describe('bindings', () => {
  it('go with the machine, and come back', () => {
    const text = textWith(machine, 'default: {worker: all}')
    expect(sourceOf(text)).toEqual({ machine, bindings: 'default: {worker: all}' })
    expect(textWith(machine, '')).toBe(machine)
    expect(sourceOf(machine)).toEqual({ machine, bindings: '' })
  })

  it('are written as the server reads them', () => {
    const bindings = {
      '': { ...noBinding, target: 'http://orders/{service}/{method}' },
      'bank.pay': { ...noBinding, kind: 'worker', target: ' pay ' },
      'mail.send': { ...noBinding, kind: 'message', target: 'mails', reply: 'answers' },
      'stock.take': { ...noBinding, target: '' },
    } as const
    expect(JSON.parse(bindingsText(bindings))).toEqual({
      default: { call: { url: 'http://orders/{service}/{method}' } },
      bindings: {
        'bank.pay': { worker: 'pay' },
        'mail.send': { message: { topic: 'mails', reply: 'answers' } },
      },
    })
    expect(bindingsText({})).toBe('')
    expect(bindingsText(bindingsOf(bindingsText(bindings))!)).toBe(bindingsText(bindings))
  })

  it('that the form cannot show are left as text', () => {
    expect(bindingsOf('bindings: {a.b: {call: {url: u, headers: {X: y}}}}')).toBeUndefined()
    expect(bindingsOf('default: {worker: all, timeout: 1s}')).toBeUndefined()
    expect(bindingsOf('[: no')).toBeUndefined()
    const put = { ...noBinding, target: 'u', method: 'PUT' }
    expect(bindingsOf('default: {call: {url: u, method: PUT}}')).toEqual({ '': put })
  })
})

it('finds names in both languages', () => {
  expect(nameOf(machine)).toBe('takeAway')
  expect(nameOf('saga: 1\nname: order\n')).toBe('order')
  expect(nameOf('{')).toBe('')
})

it('calls exports after what they are', () => {
  expect(fileName('order', 3, 'concord', 'saga: 1')).toBe('order@3.yaml')
  expect(fileName('order', 3, 'concord', '{"saga": 1}')).toBe('order@3.json')
  expect(fileName('t', 1, 'seata', machine)).toBe('t@1.json')
})
