import { Button, Group, Modal, NativeSelect, Stack, Table, Text, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { useWords } from '@/i18n'
import { ErrorBox } from '@/shared/ErrorBox.tsx'
import { MayButton } from '@/shared/May.tsx'
import { Mark, type Tone } from '@/shared/StatusBadge.tsx'
import { numberOf, Xid } from '@/shared/Xid.tsx'
import { useVersionNumbers } from '../useVersions.ts'
import { countsOf, mappingOf, moveAll, type Moved } from './move.ts'
import { words } from './words.ts'

export interface MoveDialogProps {
  readonly saga: string
  readonly from: number
  /** One run alone. */
  readonly xid?: string | undefined
  readonly onClose: () => void
}

const shownMost = 200

/** MoveDialog has runs go on by another version: it is checked first, and moved what is safe. */
export default function MoveDialog({ saga, from, xid, onClose }: MoveDialogProps) {
  const t = useWords(words)
  const work = useMove(saga, xid)
  const versions = useVersionNumbers(saga)
  const [source, setSource] = useState(from)
  const [to, setTo] = useState(0)
  const [mapping, setMapping] = useState('')
  const read = mappingOf(mapping)
  const wish = { saga, from: source, to, mapping: 'mapping' in read ? read.mapping : {}, xid }
  const counts = work.items && countsOf(work.items)
  const changed = (act: () => void) => {
    act()
    work.forget()
  }
  const others = versions.filter((each) => each !== source)
  const title = xid === undefined ? t('titleAll', { saga, from: source }) : t('titleRun', { id: numberOf(xid) })
  return (
    <Modal opened onClose={onClose} size={760} title={title} closeButtonProps={{ 'aria-label': t('close') }}>
      <Stack gap="md">
        <Text>{t('text')}</Text>
        <Group grow align="flex-start">
          {xid === undefined && (
            <NativeSelect
              label={t('from')}
              value={String(source)}
              data={versions.map(String)}
              onChange={(event) => changed(() => setSource(Number(event.currentTarget.value)))}
            />
          )}
          <NativeSelect
            label={t('to')}
            value={String(to)}
            data={[{ value: '0', label: t('newest') }, ...others.map(String)]}
            onChange={(event) => changed(() => setTo(Number(event.currentTarget.value)))}
          />
          <Textarea
            label={t('mapping')}
            description={t('mappingHelp')}
            value={mapping}
            autosize
            minRows={1}
            maxRows={6}
            classNames={{ input: 'mono' }}
            spellCheck={false}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            error={'wrong' in read ? t('mappingWrong', { line: read.wrong }) : undefined}
            onChange={(event) => changed(() => setMapping(event.currentTarget.value))}
          />
        </Group>
        {!!work.error && <ErrorBox error={work.error} />}
        {work.items && counts && <Verdicts items={work.items} moved={work.done} counts={counts} />}
        <Group justify="flex-end" gap="xs">
          {work.busy && (
            <Button variant="default" onClick={work.stop}>
              {t('stop')}
            </Button>
          )}
          <MayButton
            role="operator"
            variant={counts?.safe ? 'default' : 'filled'}
            loading={work.busy === 'check'}
            onClick={() => 'mapping' in read && work.run(wish, true)}
          >
            {t('check')}
          </MayButton>
          {!!counts?.safe && !work.done && !work.busy && (
            <MayButton role="operator" onClick={() => work.run(wish, false)}>
              {xid === undefined ? t('move', { n: counts.safe }) : t('moveOne')}
            </MayButton>
          )}
        </Group>
      </Stack>
    </Modal>
  )
}

/** useMove checks and moves, one after the other. */
function useMove(saga: string, xid: string | undefined) {
  const client = useQueryClient()
  const [items, setItems] = useState<readonly Moved[]>()
  const [busy, setBusy] = useState<'check' | 'move'>()
  const [done, setDone] = useState(false)
  const [error, setError] = useState<unknown>()
  const abort = useRef<AbortController>(undefined)
  useEffect(() => () => abort.current?.abort(), [])
  const run = (wish: Parameters<typeof moveAll>[0], dryRun: boolean) => {
    abort.current?.abort()
    const mine = new AbortController()
    abort.current = mine
    setBusy(dryRun ? 'check' : 'move')
    setError(undefined)
    setDone(false)
    const tell = (seen: readonly Moved[]) => !mine.signal.aborted && setItems(seen)
    moveAll(wish, dryRun, tell, mine.signal)
      .then(() => setDone(!dryRun))
      .catch((wrong: unknown) => !mine.signal.aborted && setError(wrong))
      .finally(() => {
        if (abort.current === mine) setBusy(undefined)
        if (!dryRun) void client.invalidateQueries({ queryKey: xid === undefined ? ['runs'] : ['run'] })
      })
  }
  const stop = () => {
    abort.current?.abort()
    abort.current = undefined
    setBusy(undefined)
  }
  const forget = () => {
    stop()
    setItems(undefined)
    setDone(false)
  }
  return { items, busy, done, error, run, stop, forget, saga }
}

const tones: Record<string, Tone> = { safe: 'good', needsMapping: 'warn', mustStay: 'bad' }

function Verdicts(props: { items: readonly Moved[]; moved: boolean; counts: ReturnType<typeof countsOf> }) {
  const t = useWords(words)
  const { items, moved, counts } = props
  if (items.length === 0) return <Text role="status">{t('none')}</Text>
  return (
    <div>
      <Text fw={600} role="status" mb={6}>
        {moved
          ? t('countsMoved', { moved: counts.moved, stayed: items.length - counts.moved })
          : t('counts', counts)}
      </Text>
      <Table.ScrollContainer minWidth={480} maxHeight={320}>
        <Table stickyHeader verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t('run')}</Table.Th>
              <Table.Th>{t('verdict')}</Table.Th>
              <Table.Th>{t('reasons')}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.slice(0, shownMost).map((item) => (
              <Table.Tr key={item.xid}>
                <Table.Td>
                  <Xid xid={item.xid ?? ''} to={`/runs/${numberOf(item.xid ?? '')}`} />
                </Table.Td>
                <Table.Td>
                  {item.moved ? (
                    <Mark tone="good" text={t('moved')} />
                  ) : (
                    <Mark tone={tones[item.verdict ?? ''] ?? 'idle'} text={t(item.verdict ?? 'mustStay')} />
                  )}
                </Table.Td>
                <Table.Td>
                  {[
                    ...(item.reasons ?? []),
                    item.begins?.length ? t('begins', { steps: item.begins.join(', ') }) : '',
                    item.ends ? t('ends') : '',
                  ]
                    .filter(Boolean)
                    .map((text) => (
                      <div key={text}>{text}</div>
                    ))}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {items.length > shownMost && <Text c="dimmed">{t('more', { n: shownMost })}</Text>}
    </div>
  )
}
