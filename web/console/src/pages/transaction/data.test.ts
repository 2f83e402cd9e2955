import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { act, cleanup, renderHook } from '@testing-library/react'
import { createElement, type ReactNode } from 'react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Schemas } from '@/api/client.ts'
import { followTransaction } from '@/shared/actions/transactions.ts'
import { useDetail } from './data.ts'

vi.mock('@/shared/actions/transactions.ts', () => ({ followTransaction: vi.fn<typeof followTransaction>() }))

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  cleanup()
  vi.useRealTimers()
})

it('asks once for what belongs to many changes, and again when it has ended', () => {
  const client = new QueryClient({ defaultOptions: { queries: { staleTime: Infinity } } })
  const detail = (status: Schemas['Status']) => ({ xid: 'x', status }) as Schemas['TransactionDetail']
  client.setQueryData(['transaction', 'x', 'detail'], detail('Active'))
  const asked = vi.spyOn(client, 'invalidateQueries')
  let tell: (now: Schemas['TransactionDetail']) => void = () => {}
  vi.mocked(followTransaction).mockImplementation((_xid, on) => {
    tell = on.onState
    return () => {}
  })
  const wrapper = (props: { children: ReactNode }) =>
    createElement(QueryClientProvider, { client }, props.children)
  renderHook(() => useDetail('x'), { wrapper })
  const histories = () => asked.mock.calls.filter(([of]) => of?.queryKey?.[2] === 'history').length
  act(() => {
    for (let i = 0; i < 50; i++) tell(detail('Active'))
    vi.advanceTimersByTime(1000)
  })
  expect(histories()).toBe(1)
  act(() => {
    tell(detail('Committed'))
    vi.advanceTimersByTime(1000)
  })
  expect(histories()).toBe(2)
})
