import { ActionIcon, Group } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useWords } from '@/i18n'
import { Icon } from '@/shared/Icon.tsx'
import classes from './Panes.module.css'
import { words } from './words.ts'

const pauses = { slow: 1400, usual: 700, fast: 200 } as const

/** Player goes through moments one by one: by buttons, a slider, or by itself. */
export function Player({
  count,
  at,
  onAt,
  label,
}: {
  count: number
  at: number
  onAt: (at: number) => void
  label: string
}) {
  const t = useWords(words)
  const [playing, setPlaying] = useState(false)
  const [speed, setSpeed] = useState<keyof typeof pauses>('usual')
  useEffect(() => {
    if (!playing) return
    if (at >= count) {
      setPlaying(false)
      return
    }
    const timer = setTimeout(() => onAt(at + 1), pauses[speed])
    return () => clearTimeout(timer)
  }, [playing, at, count, onAt, speed])
  const step = (to: number) => {
    setPlaying(false)
    onAt(Math.max(0, Math.min(count, to)))
  }
  const play = () => {
    if (!playing && at >= count) onAt(0)
    setPlaying(!playing)
  }
  return (
    <Group gap={6} wrap="nowrap" className={classes['player']!} role="group" aria-label={label}>
      <Knob text={t('toBegin')} icon="M4 3v10M13 3L6 8l7 5z" act={() => step(0)} />
      <Knob text={t('stepBack')} icon="M11 3L4 8l7 5z" act={() => step(at - 1)} />
      <Knob
        text={t(playing ? 'pause' : 'play')}
        icon={playing ? 'M5 3v10M11 3v10' : 'M5 3l8 5-8 5z'}
        act={play}
        strong
      />
      <Knob text={t('stepOn')} icon="M5 3l7 5-7 5z" act={() => step(at + 1)} />
      <Knob text={t('toEnd')} icon="M12 3v10M3 3l7 5-7 5z" act={() => step(count)} />
      <input
        type="range"
        min={0}
        max={count}
        value={at}
        aria-label={t('moment')}
        className={classes['range']}
        aria-valuetext={t('momentOf', { at, count })}
        onChange={(event) => step(Number(event.currentTarget.value))}
      />
      <span className={`num dim ${classes['momentCount']}`}>{t('momentOf', { at, count })}</span>
      <select
        className={classes['speed']}
        aria-label={t('speed')}
        value={speed}
        onChange={(event) => setSpeed(event.currentTarget.value as keyof typeof pauses)}
      >
        <option value="slow">{t('slowly')}</option>
        <option value="usual">{t('usual')}</option>
        <option value="fast">{t('fast')}</option>
      </select>
    </Group>
  )
}

function Knob({ text, icon, act, strong }: { text: string; icon: string; act: () => void; strong?: boolean }) {
  return (
    <ActionIcon variant={strong ? 'filled' : 'default'} size="sm" aria-label={text} title={text} onClick={act}>
      <Icon path={icon} size={12} />
    </ActionIcon>
  )
}
