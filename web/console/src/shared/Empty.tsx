import { Center, Stack, Text, Title } from '@mantine/core'
import type { ReactNode } from 'react'

/** Empty says that there is nothing, why, and what one can do. */
export function Empty(props: { title: string; text?: string; heading?: boolean; children?: ReactNode }) {
  return (
    <Center mih={180} p="xl">
      <Stack align="center" gap="xs" maw={460}>
        {props.heading ? <Title order={1}>{props.title}</Title> : <Text fw={600}>{props.title}</Text>}
        {props.text && (
          <Text c="dimmed" ta="center">
            {props.text}
          </Text>
        )}
        {props.children}
      </Stack>
    </Center>
  )
}
