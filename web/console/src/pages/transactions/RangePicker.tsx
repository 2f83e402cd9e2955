import { Button, Popover, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useWords } from '@/i18n'
import { absolute, useZone } from '@/i18n/format.ts'
import { Icon } from '@/shared/Icon.tsx'
import { fieldOf, rangeOf, timeOf, withRange, type Range } from './range.ts'
import classes from './transactions.module.css'
import { words, type Word } from './words.ts'

const presets: readonly (readonly [string, Word])[] = [
  ['15m', 'last15m'],
  ['1h', 'last1h'],
  ['24h', 'last24h'],
  ['7d', 'last7d'],
]

/** RangePicker chooses when transactions began. */
export function RangePicker({ text, onSearch }: { text: string; onSearch: (text: string) => void }) {
  const t = useWords(words)
  const utc = useZone() === 'utc'
  const [open, setOpen] = useState(false)
  const range = rangeOf(text)
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  useEffect(() => {
    setFrom(fieldOf(range.from, utc))
    setTo(fieldOf(range.to, utc))
  }, [range.from, range.to, utc, open])
  const set = (next: Range) => {
    setOpen(false)
    onSearch(withRange(text, next))
  }
  const wrong = !!from && !!to && from >= to
  const given = { ...(from && { from: timeOf(from, utc)! }), ...(to && { to: timeOf(to, utc)! }) }
  return (
    <Popover
      opened={open}
      onChange={setOpen}
      position="bottom-start"
      shadow="md"
      trapFocus
      withinPortal={false}
    >
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          h={32}
          onClick={() => setOpen(!open)}
          aria-expanded={open}
          aria-label={`${t('timeRange')}: ${labelOf(range, t)}`}
          leftSection={<Icon path="M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3l2 2" size={13} />}
        >
          {labelOf(range, t)}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t('timeRange')}>
        <div className={classes['range']}>
          <Button
            variant={Object.keys(range).length === 0 ? 'light' : 'subtle'}
            size="xs"
            justify="flex-start"
            onClick={() => set({})}
          >
            {t('anyTime')}
          </Button>
          {presets.map(([age, word]) => (
            <Button
              key={age}
              variant={range.younger === age ? 'light' : 'subtle'}
              size="xs"
              justify="flex-start"
              onClick={() => set({ younger: age })}
            >
              {t(word)}
            </Button>
          ))}
          <TextInput
            size="xs"
            type="datetime-local"
            step={1}
            label={t('from')}
            value={from}
            description={t(utc ? 'utcTime' : 'localTime')}
            onChange={(event) => setFrom(event.currentTarget.value)}
          />
          <TextInput
            size="xs"
            type="datetime-local"
            step={1}
            label={t('to')}
            value={to}
            error={wrong ? t('emptyRange') : undefined}
            onChange={(event) => setTo(event.currentTarget.value)}
          />
          <Button size="xs" mt={6} disabled={wrong || (!from && !to)} onClick={() => set(given)}>
            {t('setRange')}
          </Button>
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}

function labelOf(range: Range, t: ReturnType<typeof useWords<Word>>): string {
  const preset = presets.find(([age]) => age === range.younger)
  if (preset) return t(preset[1])
  if (range.younger) return t('lastOf', { age: range.younger })
  const day = (time: string) => absolute(time).replace(/\.\d{3}/, '')
  if (range.from && range.to) return `${day(range.from)} – ${day(range.to)}`
  if (range.from) return t('since', { time: day(range.from) })
  return range.to ? t('until', { time: day(range.to) }) : t('anyTime')
}
